// Who is there, or was?
import { html, useEffect, useRef } from '../lib.js';
import { useEvents } from '../live.js';
import { go, withQuery } from '../router.js';
import { Empty, Icon, Head, Problem, Search, Skeleton, State, Time, announce, num, plural } from '../ui.js';
import { Devices } from './devices.js';
import { place, tall, useNarrow, useVirtual, useWindows } from '../windows.js';

const COLUMNS = [['Name', ''], ['Maker', ''], ['Hardware', ''], ['Address', ''], ['Last heard', ''], ['State', 'x-wide']];
const path = host => `/hosts/${encodeURIComponent(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(host.hardware) ? host.hardware : host.address)}`;

export function Hosts({ query }) {
  const q = query.get('q') ?? '';
  const set = changes => go(withQuery(changes), { replace: true });
  const list = useWindows(`/hosts?${q ? `q=${encodeURIComponent(q)}&` : ''}`);
  const narrow = useNarrow();
  const { box, items, height, show } = useVirtual(list.total ?? 0, narrow ? 64 : 40);
  useEffect(() => { list.need(items.map(item => item.at)); });
  useEffect(() => { if (list.loaded) announce(plural(list.total, 'host')); }, [list.loaded, q]);
  const soon = useRef(0);
  useEffect(() => () => clearTimeout(soon.current), []);
  // The server keeps the list for three seconds: what happens while one is waited for may not be in it.
  const again = useRef(false);
  const refresh = () => {
    if (soon.current) { again.current = true; return; }
    soon.current = setTimeout(() => {
      soon.current = 0;
      list.refresh();
      if (again.current) { again.current = false; refresh(); }
    }, 3300);
  };
  useEvents(({ events, gap }) => {
    // The list is in the order of the last sign of life: it is not moved under a hand.
    const held = scrollY > 0 || box.current?.matches(':hover') || box.current?.contains(document.activeElement);
    if (!gap && (held || !events.some(one => one.lease))) return;
    refresh();
  }, [q]);
  const step = to => {
    const at = Math.max(0, Math.min(list.total - 1, to));
    show(at);
    const focus = () => box.current?.querySelector(`[data-at="${at}"]`)?.focus({ preventScroll: true });
    requestAnimationFrame(() => requestAnimationFrame(focus));
  };
  const keys = event => {
    const at = Number(event.target.dataset?.at ?? NaN);
    if (Number.isNaN(at)) return;
    if (event.key === 'ArrowDown' || event.key === 'j') { event.preventDefault(); step(at + 1); }
    else if (event.key === 'ArrowUp' || event.key === 'k') { event.preventDefault(); step(at - 1); }
    else if (event.key === 'Enter' && list.row(at)) go(path(list.row(at)));
  };
  return html`<${Head} icon="monitor-smartphone" heading=${list.total == null ? 'Hosts' : q ? `${num(list.total)} of ${plural(list.all, 'host')}` : plural(list.all, 'host')}>Everything that has or had a lease, last heard of first.</${Head}>
    <${Devices} decided/>
    <div class="filters" role="search"><${Search} value=${q} label="Find in hosts" placeholder="Name, maker, address or MAC" onSearch=${text => set({ q: text })}/></div>
    ${list.error && html`<${Problem} error=${list.error} retry=${list.refresh}/>`}
    ${list.total == null ? !list.error && html`<${Skeleton} height=${400}/>` : !list.total ? html`<div class="card"><${Empty} icon=${q ? 'search' : 'monitor-smartphone'} title=${q ? 'No host fits' : 'No host yet'}>${q ? html`<button type="button" class="link" onClick=${() => set({ q: '' })}>Clear the search</button>` : 'The first device that gets an address shows here by itself.'}</${Empty}></div>`
      : html`<div class="card hosts" role="table" aria-label="Hosts" aria-rowcount=${list.total + 1} aria-colcount="6" onKeyDown=${keys}>
      <div class="list-head" role="row" aria-rowindex="1">${COLUMNS.map(([words, wide]) => html`<div key=${words} role="columnheader" class=${wide}>${words}</div>`)}</div>
      <div class="grid" role="rowgroup" ref=${element => { box.current = element; tall(height)(element); }}>${items.map(({ at, top }) => html`<${Row} key=${at} at=${at} top=${top} row=${list.row(at)} first=${at === items[0].at}/>`)}</div></div>`}`;
}

function Row({ at, top, row, first }) {
  return html`<div class="lr" role="row" aria-rowindex=${at + 2} data-at=${at} tabindex=${first ? 0 : -1} ref=${place(top)}>
    ${row ? html`<div role="cell" class="nm"><a class="name" href=${path(row)}>${row.title ?? html`<span class="dim">no name</span>`}</a></div>
      <div role="cell" class="c-maker">${row.maker ?? html`<span class="dim">${row.private_hardware ? 'made up by the device' : 'not known'}</span>`}</div>
      <div role="cell" class="c-client mono">${row.hardware}</div>
      <div role="cell" class="mono c-addr">${row.address}${row.addresses > 1 && html` <span class="dim sm">+${num(row.addresses - 1)}</span>`}</div>
      <div role="cell" class="c-exp"><${Time} at=${row.last_seen_at} until/></div>
      <div role="cell" class="c-state x-wide"><${State} state=${row.state}/></div>` : html`<div role="cell" class="dim" aria-colspan="6">…</div>`}</div>`;
}
