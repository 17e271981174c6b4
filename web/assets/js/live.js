// One stream of events for all tabs of a browser: a tab that holds a lock reads it and tells the others, since HTTP/1.1
// allows six connections only.
import { useEffect, useReducer } from './lib.js';
import { lose, own } from './me.js';

const channel = 'BroadcastChannel' in window ? new BroadcastChannel('leasehold') : null;
const listeners = new Set();
const watchers = new Set();
/** `at`: when the stream was last known to be well. */
export const live = { state: 'connecting', at: Date.now() };

function be(state) {
  live.at = state === 'live' ? Date.now() : live.at;
  if (live.state === state) return;
  live.state = state;
  watchers.forEach(watch => watch());
}

function hear(message) {
  if (message.state) be(message.state);
  if (message.events || message.gap) listeners.forEach(listen => listen(message));
}

function tell(message) {
  hear(message);
  channel?.postMessage(message);
}

let greeted = false;
function read() {
  // A session that is over is asked about at the door, not here again and again.
  if (!own.me?.role) { setTimeout(read, 1000); return; }
  const source = new EventSource('/api/v1/events/stream');
  // What happened between the answers that the views began with and the stream was told to nobody.
  source.addEventListener('hello', () => { tell({ state: 'live', gap: !greeted }); greeted = true; });
  source.addEventListener('events', event => tell({ state: 'live', events: JSON.parse(event.data) }));
  source.addEventListener('gap', () => tell({ state: 'live', gap: true }));
  source.addEventListener('error', () => {
    tell({ state: 'reconnecting' });
    // The browser comes again by itself, unless it was refused.
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      fetch('/api/v1/me').then(answer => answer.json()).then(me => { if (!me.role) lose(); }).catch(() => {});
      setTimeout(read, 3000);
    }
  });
  addEventListener('pagehide', () => source.close(), { once: true });
}

channel?.addEventListener('message', ({ data }) => hear(data));
// A tab that only listens hears nothing while nothing happens: whoever reads says now and then that all is well.
let leads = false;
setInterval(() => {
  if (leads) { if (live.state === 'live') { live.at = Date.now(); channel?.postMessage({ state: 'live' }); } }
  else if (Date.now() - live.at > 12000) be('reconnecting');
}, 4000);
const lead = () => { leads = true; read(); return new Promise(() => {}); };
let listening = false;
/** Begins to read, once it is known who one is. */
export function listen() {
  if (listening) return;
  listening = true;
  if (navigator.locks && channel) navigator.locks.request('leasehold-stream', lead); else lead();
}

/** Calls `listen` with `{events}` or `{gap}`. */
export function useEvents(listen, inputs = []) {
  useEffect(() => {
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, inputs);
}

export function useLive() {
  const [, draw] = useReducer(x => x + 1, 0);
  useEffect(() => {
    watchers.add(draw);
    return () => watchers.delete(draw);
  }, []);
  return live;
}
