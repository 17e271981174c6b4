// A long list of which only windows are here: the server sorts and filters, rows are fetched as they come into sight.
import { useEffect, useLayoutEffect, useReducer, useRef } from './lib.js';
import { Virtualizer, observeWindowOffset, observeWindowRect, windowScroll } from '../vendor/virtual-core/index.js';
import { get } from './api.js';

const WINDOW = 200;
const KEPT_MAX = 12;

/** `{total, all, row(at), refresh, patch, error, loaded}` of the list at `path`, which ends in `?` or `&`. */
export function useWindows(path) {
  const [, draw] = useReducer(x => x + 1, 0);
  const list = useRef(null);
  if (list.current?.path !== path) list.current = { path, windows: new Map(), asked: new Set(), total: null, all: 0, error: null, extra: null, old: list.current };
  const own = list.current;
  const ask = async (at, anew) => {
    if (own.asked.has(at) || (!anew && own.windows.has(at))) return;
    own.asked.add(at);
    try {
      const found = await get(`${path}offset=${at * WINDOW}&limit=${WINDOW}`);
      own.windows.delete(at);
      own.windows.set(at, found.rows);
      if (own.windows.size > KEPT_MAX) own.windows.delete(own.windows.keys().next().value);
      Object.assign(own, { total: found.total, all: found.all, extra: found, error: null, old: null });
    } catch (error) { own.error = error; }
    own.asked.delete(at);
    draw();
  };
  useEffect(() => { ask(0, true); }, [path]);
  const shown = own.total == null && own.old?.total != null ? own.old : own;
  return {
    total: shown.total, all: shown.all, extra: shown.extra, error: own.error, loaded: own.total != null,
    row: at => shown.windows.get(Math.floor(at / WINDOW))?.[at % WINDOW],
    /** Fetches what these places need. */
    need: places => { if (own.total != null || !own.asked.size) new Set(places.map(at => Math.floor(at / WINDOW))).forEach(at => ask(at)); },
    refresh: () => { const all = [...own.windows.keys()]; (all.length ? all.slice(-3) : [0]).forEach(at => ask(at, true)); all.slice(0, -3).forEach(at => own.windows.delete(at)); },
    /** The first row that is so, of those that are here. */
    find: is => { for (const rows of shown.windows.values()) { const row = rows.find(is); if (row) return row; } return undefined; },
    /** Changes rows in place; whether any was here. */
    patch: (is, change) => {
      let found = false;
      for (const rows of own.windows.values()) {
        const at = rows.findIndex(is);
        if (at >= 0) { rows[at] = change(rows[at]); found = true; }
      }
      if (found) draw();
      return found;
    },
  };
}

/** What is to be drawn of `count` rows: `{box, items, height}`. The page itself scrolls. */
export function useVirtual(count, size) {
  const [, draw] = useReducer(x => x + 1, 0);
  const box = useRef();
  const virtual = useRef();
  const options = {
    count, estimateSize: () => size, overscan: 8, initialRect: { width: innerWidth, height: innerHeight },
    getScrollElement: () => window, observeElementRect: observeWindowRect, observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll, scrollMargin: box.current ? box.current.getBoundingClientRect().top + scrollY : 0,
    onChange: draw,
  };
  virtual.current ??= new Virtualizer(options);
  virtual.current.setOptions(options);
  useLayoutEffect(() => virtual.current._didMount(), []);
  useLayoutEffect(() => { virtual.current.setOptions({ ...virtual.current.options, scrollMargin: box.current ? box.current.getBoundingClientRect().top + scrollY : 0 }); virtual.current._willUpdate(); });
  useLayoutEffect(() => virtual.current.measure(), [size, count]);
  const margin = virtual.current.options.scrollMargin;
  const items = virtual.current.getVirtualItems().filter(item => item.index < count).map(item => ({ at: item.index, top: item.start - margin }));
  return { box, items, height: count * size, show: at => virtual.current.scrollToIndex(at, { align: 'auto' }) };
}

/** Puts an element where its row is: a style in the markup is not allowed here, one by script is. */
export function place(top) {
  return element => { if (element) element.style.transform = `translateY(${top}px)`; };
}
export function tall(height) {
  return element => { if (element) element.style.height = `${height}px`; };
}

export function useNarrow(query = '(max-width: 760px)') {
  const [, draw] = useReducer(x => x + 1, 0);
  const media = useRef(matchMedia(query));
  useEffect(() => {
    const one = media.current;
    one.addEventListener('change', draw);
    return () => one.removeEventListener('change', draw);
  }, []);
  return media.current.matches;
}
