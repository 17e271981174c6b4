// What every view is made of.
import { base, html, useEffect, useReducer, useRef, useState } from './lib.js';

export const Icon = ({ name, kind = '', small, label }) =>
  html`<svg class=${`i ${small ? 's' : ''} ${kind}`} aria-hidden=${label ? undefined : 'true'} role=${label ? 'img' : undefined} aria-label=${label}><use href=${`${base}vendor/icons.svg#${name}`}/></svg>`;

const numbers = new Intl.NumberFormat();
export const num = value => numbers.format(value);
/** Rounded down, as the server does: only what is full is 100 % full. */
export const percent = share => `${Math.floor(share * 100)} %`;
export const plural = (count, one, many = one + 's') => `${num(count)} ${count === 1 ? one : many}`;
export function bytes(value) {
  if (value == null) return '';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) { value /= 1000; at++; }
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: value < 10 && at ? 1 : 0 }).format(value)} ${units[at]}`;
}

export function span(secs) {
  secs = Math.max(0, Math.round(secs));
  if (secs < 60) return `${secs} s`;
  if (secs < 3600) return `${Math.floor(secs / 60)} min`;
  if (secs < 172800) return `${Math.floor(secs / 3600)} h`;
  return `${Math.floor(secs / 86400)} d`;
}
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long', hourCycle: 'h23' });
const clockTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const dayTime = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
export const absolute = secs => full.format(secs * 1000);
export const moment = secs => (Date.now() / 1000 - secs < 43200 ? clockTime : dayTime).format(secs * 1000);

// One clock for everything that says how long ago something was.
const ticking = new Set();
setInterval(() => { if (!document.hidden) ticking.forEach(tick => tick()); }, 1000);
export function useTick() {
  const [, draw] = useReducer(x => x + 1, 0);
  useEffect(() => { ticking.add(draw); return () => ticking.delete(draw); }, []);
}

/** How long ago, or in how long; the moment itself on hover and for screen readers. */
export function Time({ at, until, left, words = '' }) {
  useTick();
  if (at == null) return html`<span class="dim">never</span>`;
  const now = Date.now() / 1000;
  const text = left ? span(at - now) : until ? (at > now ? `in ${span(at - now)}` : `${span(now - at)} ago`) : span(now - at);
  return html`<time datetime=${new Date(at * 1000).toISOString()} title=${absolute(at)}>${words}${text}</time>`;
}

/** Whether single keys do something: whoever speaks to the machine may not want them to. */
export const keysOn = () => { try { return localStorage.getItem('keys') !== 'off'; } catch { return true; } };

/** Says something to screen readers. */
export function announce(text) {
  const region = document.getElementById('said');
  if (region) region.textContent = text;
}

export function Copy({ text, what = 'it' }) {
  const [done, setDone] = useState(false);
  const copy = async event => {
    event.preventDefault();
    event.stopPropagation();
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      announce(`Copied ${text}`);
      setTimeout(() => setDone(false), 1600);
    } catch { announce('Copying is not allowed here'); }
  };
  return html`<button type="button" class=${`copy ${done ? 'done' : ''}`} onClick=${copy} aria-label=${`Copy ${what} ${text}`} title="Copy"><${Icon} name=${done ? 'check' : 'copy'} small/></button>`;
}

export const LEVELS = {
  ok: ['circle-check', 'ok'], info: ['plus', 'info'], warn: ['triangle-alert', 'warn'], bad: ['octagon-x', 'bad'],
};

const STATES = {
  bound: ['circle-check', 'ok', 'In use'],
  released: ['log-out', 'pending', 'Released'],
  expired: ['timer-off', 'pending', 'Ran out'],
  quarantined: ['triangle-alert', 'warn', 'Kept back'],
};
const DNS = {
  done: ['circle-check', 'ok', 'In DNS'],
  pending: ['circle-dashed', 'pending', 'On its way to DNS'],
  refused: ['octagon-x', 'bad', 'Refused by DNS'],
};
export function State({ state }) {
  const [icon, kind, words] = STATES[state] ?? ['circle-dashed', 'pending', state];
  return html`<span class="st"><${Icon} name=${icon} kind=${kind}/>${words}</span>`;
}
export function Dns({ state, words }) {
  const known = DNS[state];
  if (!known) return null;
  const [icon, kind, told] = known;
  return words ? html`<span class="st"><${Icon} name=${icon} kind=${kind}/>${told}</span>` : html`<${Icon} name=${icon} kind=${kind} small label=${told}/>`;
}

/** In use, then reserved; of one. */
export function Bar({ used, reserved = 0, warn, label }) {
  const share = value => `${Math.max(0, Math.min(1, value)) * 100}%`;
  return html`<svg class=${`bar ${warn ? 'w' : ''}`} role="img" aria-label=${label} width="100%" height="8">
    <rect class="bg" width="100%" height="8" rx="4"/><rect class="u" width=${share(used)} height="8" rx="4"/>
    ${reserved > 0 && html`<rect class="res" x=${share(used)} width=${share(Math.min(reserved, 1 - used))} height="8"/>`}</svg>`;
}

export const Empty = ({ icon, title, children }) =>
  html`<div class="empty"><${Icon} name=${icon}/><b>${title}</b><p>${children}</p></div>`;

export const Problem = ({ error, retry }) =>
  html`<div class="problem" role="alert"><${Icon} name="octagon-x"/><span>${error.message}</span>${retry && html`<button type="button" class="btn" onClick=${retry}>Try again</button>`}</div>`;

/** A place of the final size; drawn late, so that a quick answer shows none. */
export function Skeleton({ height = 200 }) {
  const [late, setLate] = useState(false);
  useEffect(() => { const timer = setTimeout(() => setLate(true), 150); return () => clearTimeout(timer); }, []);
  const box = useRef();
  useEffect(() => { if (box.current) box.current.style.height = `${height}px`; }, [height, late]);
  return html`<div ref=${box} class=${late ? 'skeleton' : ''} aria-hidden="true"></div>`;
}

/** `options`: [value, words]. */
export const Segments = ({ label, value, options, onPick }) =>
  html`<div class="seg" role="group" aria-label=${label}>${options.map(([one, words]) =>
    html`<button type="button" key=${one} aria-pressed=${String(one === value)} onClick=${() => onPick(one)}>${words}</button>`)}</div>`;

/** A field whose text is handed on when nobody has typed for a moment. */
export function Search({ value, onSearch, label, placeholder }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  const type = event => {
    setText(event.target.value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(event.target.value.trim()), 200);
  };
  return html`<div class="field grow"><${Icon} name="search" small/><input type="search" autocomplete="off" spellcheck="false" aria-label=${label} placeholder=${placeholder ?? label} value=${text} onInput=${type}/></div>`;
}

export const hostPath = lease => `/hosts/${encodeURIComponent(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(lease.hardware) ? lease.hardware : lease.address)}`;
export const title = lease => lease.name || lease.hostname || lease.hardware;

const ADDRESS = /\b(\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?)(?![\d.]*\d)/;
/** A sentence with its addresses in their own letters. */
export const Words = ({ children }) =>
  String(children ?? '').split(ADDRESS).map((part, at) => (at % 2 ? html`<span class="mono">${part}</span>` : part));

/** Names in sentences without their last dot. */
export const dots = words => words?.replace(/([a-z0-9])\.(?=[;,: ]|$)/gi, '$1') ?? '';

/** With a capital letter, unless it begins with a name. */
export const sentence = words => (words && /^[a-z]+(?=[ ,;:]|$)/.test(words) ? words[0].toUpperCase() + words.slice(1) : words ?? '');

/** A heading that comes late, behind a placeholder, takes the focus that was meant for it. */
export const arrival = { path: null };
export function useHeading() {
  useEffect(() => {
    const lost = !document.activeElement || document.activeElement === document.body;
    if (lost && arrival.path === location.pathname) document.getElementById('h1')?.focus({ preventScroll: true });
  }, []);
}

export function Head({ icon, heading, children, tools, mark = '', crumb }) {
  useHeading();
  return html`${crumb && html`<a class="crumb" href=${crumb[0]}><${Icon} name="chevron-left" small/>${crumb[1]}</a>`}
  <header class=${`head ${mark ? '' : 'plain'}`}><span class=${`mark ${mark}`}><${Icon} name=${icon}/></span><div><h1 id="h1" tabindex="-1">${heading}</h1><p>${children}</p></div>${tools && html`<div class="tools">${tools}</div>`}</header>`;
}
