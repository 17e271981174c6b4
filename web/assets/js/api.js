// The API: asked for, kept while something newer is on its way, never shown as an empty page because of a fault.
import { useEffect, useReducer, useRef } from './lib.js';
import { changeHeaders, lose } from './me.js';

const kept = new Map();
const KEPT_MAX = 60;

export async function get(path, signal) {
  let response;
  try {
    response = await fetch('/api/v1' + path, { signal, headers: { accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The server does not answer. It may be restarting.');
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    const error = new Error(body?.detail ?? `The server answered ${response.status}.`);
    error.status = response.status;
    if (response.status === 401) lose();
    throw error;
  }
  kept.delete(path);
  kept.set(path, { data: body, at: Date.now() });
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value);
  return body;
}

/** The same with the version of what is told, and never a kept answer: what a change is made upon has to be how it is now. */
export async function tagged(path) {
  const response = await fetch('/api/v1' + path, { cache: 'no-store', headers: { accept: 'application/json' } })
    .catch(() => { throw new Error('The server does not answer. It may be restarting.'); });
  const data = await response.json().catch(() => null);
  if (response.status === 401) lose();
  if (!response.ok) throw Object.assign(new Error(data?.detail ?? `The server answered ${response.status}.`), { status: response.status });
  return { data, etag: response.headers.get('etag') };
}

/** Changes something; `etag`: what it was when it was last seen, so that a change of somebody else's is not lost; `anew`: nothing was there. */
export async function change(method, path, { body, etag, anew, signal } = {}) {
  const headers = { accept: 'application/json', ...changeHeaders(), ...(body !== undefined && { 'content-type': 'application/json' }), ...(etag && { 'if-match': etag }), ...(anew && { 'if-none-match': '*' }) };
  let response;
  try {
    response = await fetch('/api/v1' + path, { method, signal, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('The server does not answer. Whether the change was made is not known: look before you try again.');
  }
  const told = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.status === 401) lose();
  if (!response.ok) throw Object.assign(new Error(told?.detail ?? `The server answered ${response.status}.`), { status: response.status, told });
  return { data: told, etag: response.headers.get('etag') };
}

/** `{data, error, at, reload}` of a path; `null` asks for nothing. `every`: asked for again, in milliseconds, while seen. */
export function useApi(path, { every = 0 } = {}) {
  const [, draw] = useReducer(x => x + 1, 0);
  const state = useRef({ path: null, data: null, error: null, at: 0 });
  const reload = useRef(() => {});
  if (state.current.path !== path) {
    const had = path && kept.get(path);
    state.current = { path, data: had?.data ?? null, error: null, at: had?.at ?? 0 };
  }
  useEffect(() => {
    if (!path) return;
    const aborter = new AbortController();
    let timer = 0;
    let asking = false;
    const ask = async () => {
      clearTimeout(timer);
      if (asking) return;
      asking = true;
      try {
        const data = await get(path, aborter.signal);
        state.current = { path, data, error: null, at: Date.now() };
      } catch (error) {
        if (error.name === 'AbortError') return;
        state.current = { ...state.current, error };
      } finally {
        asking = false;
      }
      draw();
      // What is asked wrongly is so the next time as well.
      const wrong = state.current.error?.status === 400;
      const pause = wrong ? 0 : state.current.error ? 3000 : every;
      if (pause && !document.hidden) timer = setTimeout(ask, pause);
    };
    const seen = () => { if (!document.hidden && (every || state.current.error)) ask(); };
    reload.current = ask;
    ask();
    document.addEventListener('visibilitychange', seen);
    return () => {
      aborter.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, every]);
  return { ...state.current, loading: !state.current.data && !state.current.error, reload: () => reload.current() };
}
