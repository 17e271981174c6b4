// Who one is to the server, and what one may do. The server refuses anyway: what is hidden here only does not disappoint.
import { useLayoutEffect, useReducer } from './lib.js';

const ROLES = ['view', 'operate', 'administer'];
const watchers = new Set();
/** `me`: what the server last said; null until then. `lost`: a session that was there is over. */
export const own = { me: null, lost: false, fault: null };

function changed() { watchers.forEach(watch => watch()); }

/** Whether one may do what needs this role. */
export const may = role => ROLES.indexOf(own.me?.role) >= ROLES.indexOf(role);

/** What the headers of a change have to hold. */
export const changeHeaders = () => (own.me?.csrf ? { 'x-csrf-token': own.me.csrf } : {});

async function send(method, path, body) {
  let response;
  try {
    const headers = { accept: 'application/json', ...changeHeaders(), ...(body && { 'content-type': 'application/json' }) };
    response = await fetch('/api/v1' + path, { method, headers, body: body && JSON.stringify(body) });
  } catch { throw new Error('The server does not answer. It may be restarting.'); }
  const told = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return told;
  throw Object.assign(new Error(told?.detail ?? `The server answered ${response.status}.`), { status: response.status, wait: Number(response.headers.get('retry-after')) || 0 });
}

export async function ask() {
  try {
    own.me = await send('GET', '/me');
    own.fault = null;
    own.lost = own.lost && !own.me.role;
  } catch (error) { own.fault = error; }
  changed();
}

export async function signIn(name, password) {
  own.me = await send('POST', '/session', { name, password });
  own.lost = false;
  tabs?.postMessage('signed');
  changed();
}

export async function signOut() {
  await send('DELETE', '/session').catch(error => { if (error.status !== 401) throw error; });
  tabs?.postMessage('signed');
  // Whatever was shown is forgotten with it.
  location.assign('/');
}

/** A question was refused since nobody is signed in any more. */
export function lose() {
  if (!own.me?.role || own.lost) return;
  own.lost = true;
  ask();
}

// Signing in or out in one tab holds for all of them.
const tabs = 'BroadcastChannel' in window ? new BroadcastChannel('leasehold-session') : null;
tabs?.addEventListener('message', () => { own.lost = Boolean(own.me?.role); ask(); });

export function useMe() {
  const [, draw] = useReducer(x => x + 1, 0);
  // At once, not after the next frame: the first answer may be there before that.
  useLayoutEffect(() => {
    watchers.add(draw);
    return () => watchers.delete(draw);
  }, []);
  return own;
}
