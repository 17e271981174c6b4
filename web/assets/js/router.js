// Paths and what stands behind the question mark. Back and forward bring the place on the page back.
import { useEffect, useReducer } from './lib.js';

const watchers = new Set();
const places = new Map();
let key = history.state?.key ?? 'first';
history.scrollRestoration = 'manual';

export function where() {
  return { path: decodeURI(location.pathname), query: new URLSearchParams(location.search) };
}

function changed() {
  watchers.forEach(watch => watch());
}

/** `opened`: something lies beside or over the view there, which a step back closes. */
export function go(to, { replace = false, opened = false } = {}) {
  places.set(key, scrollY);
  if (replace) history.replaceState({ key, opened }, '', to);
  else {
    key = Math.random().toString(36).slice(2);
    history.pushState({ key, opened }, '', to);
  }
  changed();
}

/** Whether a step back closes what lies beside or over the view. */
export const isOpened = () => history.state?.opened === true;

/** What stands behind the question mark, with these changes; what is empty is left out. */
export function withQuery(changes) {
  const { query } = where();
  for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
  const text = query.toString();
  return location.pathname + (text ? '?' + text : '');
}

/** Where to scroll to after a step back; 0 for a new view. */
export function placeOf() {
  return places.get(key) ?? 0;
}

addEventListener('popstate', event => {
  places.set(key, scrollY);
  key = event.state?.key ?? 'first';
  changed();
});

addEventListener('click', event => {
  const link = event.target.closest?.('a[href]');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || to.pathname.startsWith('/api/') || to.pathname === '/metrics') return;
  if (to.pathname === location.pathname && to.search === location.search && to.hash) return;
  event.preventDefault();
  go(to.pathname + to.search);
});

export function useWhere() {
  const [, draw] = useReducer(x => x + 1, 0);
  useEffect(() => {
    watchers.add(draw);
    return () => watchers.delete(draw);
  }, []);
  return where();
}
