// Who has what, until when?
import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { useEvents } from '../live.js';
import { go, isOpened, where, withQuery } from '../router.js';
import { Copy, Dns, Empty, Icon, Problem, Search, Segments, Skeleton, State, Time, absolute, announce, hostPath, keysOn, num, plural, title } from '../ui.js';
import { place, tall, useNarrow, useVirtual, useWindows } from '../windows.js';
import { useChanged } from '../changes.js';
import { Dialog, openDialog } from '../layers.js';
import { may } from '../me.js';
import { reserve } from '../reservations.js';
import { LeaseActs } from './lease-acts.js';

const STATES = [['bound', 'In use'], ['ended', 'Ended'], ['quarantined', 'Kept back'], ['all', 'All']];
const COLUMNS = [['address', 'Address', ''], ['name', 'Name', ''], ['hardware', 'Client', ''], ['', 'Subnet', 'x-wide'], ['expires', 'Until', ''], ['', 'State', 'x-wide']];

export function Leases({ query, status }) {
  const q = query.get('q') ?? '', subnet = query.get('subnet') ?? '', sort = query.get('sort') ?? '';
  const state = query.get('state') || 'bound';
  const asked = new URLSearchParams(Object.entries({ q, subnet, sort, state: state === 'all' ? '' : state }).filter(([, value]) => value));
  const subnets = useApi('/subnets');
  // What is typed is one step, whatever else is picked one each.
  const set = (changes, { typed } = {}) => go(withQuery(changes), { replace: typed });
  const [found, tellFound] = useState(null);
  const filtered = q || subnet || state !== 'bound';
  const path = `/leases?${asked}${asked.size ? '&' : ''}`;
  return html`<${Title} status=${status} found=${filtered ? found : null} state=${state}/>
    <div class="filters" role="search"><${Search} value=${q} label="Find in leases" placeholder="Name, address or MAC" onSearch=${text => set({ q: text }, { typed: true })}/>
      <select aria-label="Subnet" value=${subnet} onChange=${event => set({ subnet: event.target.value })}><option value="">All subnets</option>${subnets.data?.subnets.map(one => html`<option key=${one.prefix} value=${one.prefix}>${one.prefix}</option>`)}</select>
      <${Segments} label="State" value=${state} options=${STATES} onPick=${one => set({ state: one === 'bound' ? '' : one })}/>
      <select class="only-s" aria-label="Order" value=${sort} onChange=${event => set({ sort: event.target.value })}><option value="">By address</option><option value="name">By name</option><option value="expires">Soonest to end</option><option value="-renewed">Last heard of</option></select></div>
    <${List} key=${'list'} path=${path} sort=${sort} filtered=${filtered} set=${set} status=${status} tellFound=${tellFound}/>`;
}

/** `found`: how many the filters leave, where there are any. */
function Title({ status, found, state }) {
  const leases = status.data?.leases;
  // Of those that are in use, unless others are asked for too.
  const whole = found && Math.max(found.total, state === 'bound' && leases ? leases.bound : found.all);
  const heading = found ? `${num(found.total)} of ${plural(whole, 'lease')}` : leases ? plural(leases.bound, 'lease') : 'Leases';
  return html`<header class="head plain"><span class="mark"><${Icon} name="list"/></span><div><h1 id="h1" tabindex="-1">${heading}</h1><p>${leases ? `${num(leases.free)} of ${num(leases.pool)} pool addresses are free${leases.quarantined ? `, ${num(leases.quarantined)} kept back` : ''}.` : ' '}</p></div></header>`;
}

export function List({ path, sort = '', filtered, set, status, tellFound }) {
  const narrow = useNarrow();
  // Where there is no room for it beside the list, what is known of a lease comes over it.
  const over = useNarrow('(max-width: 1080px)');
  const list = useWindows(path);
  // Stands in the address of the page: a step back closes it, and a link to it can be given to somebody.
  const selected = where().query.get('lease');
  const panel = useRef();
  const from = useRef(null);
  const [waiting, setWaiting] = useState(0);
  const whole = useRef();
  const size = narrow ? 64 : 40;
  const { box, items, height, show } = useVirtual(list.total ?? 0, size);
  useEffect(() => { list.need(items.map(item => item.at)); });
  useEffect(() => { setWaiting(0); }, [path]);
  const apply = () => { setWaiting(0); list.refresh(); };
  useChanged(() => list.refresh(), [path]);
  const last = useRef(null);
  const listed = selected && (list.find(one => one.address === selected) ?? (last.current?.address === selected ? last.current : null));
  // A link leads to one that is not in sight, or that the filters hide.
  const sought = useApi(selected && list.loaded && !listed ? `/leases/${encodeURIComponent(selected)}` : null);
  const chosen = listed ?? sought.data;
  if (chosen) last.current = chosen;
  useEffect(() => { if (list.loaded) tellFound?.({ total: list.total, all: list.all }); }, [list.loaded, list.total, list.all]);
  // The same facts whichever way they are shown, and as they are now.
  const live = useRef(new Set());
  useEffect(() => { live.current.forEach(show => show(chosen)); }, [chosen]);
  const deselect = () => { if (isOpened()) history.back(); else go(withQuery({ lease: '' }), { replace: true }); };
  const select = (address, { by } = {}) => {
    if (!address) { deselect(); return; }
    from.current = document.activeElement;
    go(withQuery({ lease: address }), selected ? { replace: true, opened: isOpened() } : { opened: true });
    if (by === 'key' && !over) requestAnimationFrame(() => requestAnimationFrame(() => panel.current?.focus()));
  };
  const sheet = useRef(null);
  useEffect(() => {
    const had = sheet.current;
    if (had && had.address !== (over ? selected : null)) { sheet.current = null; had.close?.(); }
    if (!over || !chosen || sheet.current) return;
    const one = { address: chosen.address };
    sheet.current = one;
    openDialog(close => { one.close = close; return html`<${Sheet} row=${chosen} live=${live.current} close=${close}/>`; }).then(why => {
      if (sheet.current !== one) return;
      sheet.current = null;
      // What was begun in it comes in its place; a step back would take that away.
      if (why === 'left') go(withQuery({ lease: '' }), { replace: true }); else deselect();
    });
  }, [selected, over, Boolean(chosen)]);
  useEffect(() => () => { const one = sheet.current; sheet.current = null; one?.close?.(); }, []);
  const leave = () => {
    const back = from.current?.isConnected ? from.current : null;
    deselect();
    if (panel.current?.closest('.panel').contains(document.activeElement)) requestAnimationFrame(() => back?.focus());
  };
  const soon = useRef(0);
  const later = pause => { clearTimeout(soon.current); soon.current = setTimeout(() => list.refresh(), pause); };
  useEffect(() => () => clearTimeout(soon.current), [path]);
  useEvents(({ events, gap }) => {
    if (gap) { list.refresh(); return; }
    let fresh = 0;
    for (const { kind, lease } of events) {
      if (!lease) { if (kind === 'published' || kind === 'dns-failed' || kind === 'dns') later(300); continue; }
      const here = list.patch(row => row.address === lease.address, row => ({ ...lease, reserved: row.reserved, dns: row.name === lease.name ? row.dns : lease.name ? 'pending' : 'none', changed: Date.now() }));
      if (!here && (kind === 'bound' || kind === 'declined')) fresh++;
    }
    // The server keeps a long list for three seconds.
    if (fresh || events.some(event => event.lease?.name)) later(list.all > 2000 ? 3200 : 1500);
    if (!fresh) return;
    // Nothing moves under a hand.
    const held = scrollY > 0 || selected || whole.current?.matches(':hover') || whole.current?.contains(document.activeElement);
    if (held && list.total) setWaiting(count => count + fresh); else list.refresh();
  }, [path, selected, list.total]);
  useEffect(() => {
    if (!selected) return;
    const close = event => {
      if (document.querySelector('dialog')) return;
      if (event.key === 'Escape') leave();
      else if (event.key === 'r' && keysOn() && panel.current?.closest('.panel').contains(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat && chosen && may('operate') && !chosen.reserved) reserve(chosen);
    };
    addEventListener('keydown', close);
    return () => removeEventListener('keydown', close);
  }, [selected, chosen]);
  useEffect(() => { if (list.loaded) announce(plural(list.total, 'lease')); }, [list.loaded, path]);
  if (list.error && list.total == null) return html`<${Problem} error=${list.error} retry=${list.refresh}/>`;
  if (list.total == null) return html`<${Skeleton} height=${400}/>`;
  const step = to => {
    const at = Math.max(0, Math.min(list.total - 1, to));
    show(at);
    const focus = () => box.current?.querySelector(`[data-at="${at}"]`)?.focus({ preventScroll: true });
    requestAnimationFrame(() => requestAnimationFrame(focus));
  };
  const keys = event => {
    const at = Number(event.target.closest?.('[data-at]')?.dataset.at ?? NaN);
    if (event.target.matches('input,select')) return;
    // With these a key is the browser's: Ctrl+R loads the page anew, Ctrl+C copies what is selected.
    if (Number.isNaN(at) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'ArrowDown' || event.key === 'j') { event.preventDefault(); step(at + 1); }
    else if (event.key === 'ArrowUp' || event.key === 'k') { event.preventDefault(); step(at - 1); }
    else if (event.key === 'Enter' && event.target.dataset.at) { const row = list.row(at); if (row) select(row.address, { by: 'key' }); }
    else if (!keysOn()) return;
    else if (event.key === 'r') { const row = list.row(at); if (row && !event.repeat && may('operate') && !row.reserved) reserve(row); }
    else if (event.key === 'c') { const row = list.row(at); if (row) navigator.clipboard?.writeText(row.address).then(() => announce(`Copied ${row.address}`)); }
  };
  const row = over ? null : chosen;
  const body = list.total === 0 ? html`<div class="card"><${None} filtered=${filtered} all=${list.all} set=${set} status=${status}/></div>`
    : html`<div class=${`card leases ${row ? 'slim' : ''}`} ref=${whole} role="table" aria-label="Leases" aria-rowcount=${list.total + 1} aria-colcount="6" onKeyDown=${keys}>
      <div class="list-head" role="row" aria-rowindex="1">${COLUMNS.map(([by, words, wide]) => html`<${Column} key=${words} by=${by} words=${words} wide=${wide} sort=${sort} set=${set}/>`)}</div>
      <div class="grid" role="rowgroup" ref=${element => { box.current = element; tall(height)(element); }}>${items.map(({ at, top }) => html`<${Row} key=${at} at=${at} top=${top} row=${list.row(at)} selected=${selected} pick=${select} first=${at === items[0].at} narrow=${narrow}/>`)}</div></div>`;
  return html`${list.error && html`<${Problem} error=${list.error} retry=${list.refresh}/>`}
    ${waiting > 0 && html`<button type="button" class="pill" onClick=${apply}><${Icon} name="plus" small/>${num(waiting)} new · show</button>`}
    <p class="vh">${plural(list.total, 'lease')} of ${num(list.all)}</p>
    <div class=${row ? 'with-panel' : ''}><div>${body}</div>${row && html`<aside class="card panel" aria-label=${`Lease of ${row.address}`}><header><div class="wrap"><h2 ref=${panel} tabindex="-1">${title(row)}</h2><p class="dim sm mono">${row.address}</p></div><button type="button" class="ib" aria-label="Close" onClick=${leave}><${Icon} name="x"/></button></header><${About} row=${row}/></aside>`}</div>`;
}

function Column({ by, words, wide, sort, set }) {
  if (!by || !set) return html`<div role="columnheader" class=${wide}>${words}</div>`;
  const up = (sort || 'address') === by, down = sort === `-${by}`;
  const next = up ? `-${by}` : by === 'address' ? '' : by;
  return html`<div role="columnheader" class=${wide} aria-sort=${up ? 'ascending' : down ? 'descending' : undefined}><button type="button" onClick=${() => set({ sort: next })}>${words}${(up || down) && html`<${Icon} name=${up ? 'chevron-up' : 'chevron-down'}/>`}</button></div>`;
}

function Row({ at, top, row, selected, pick, first, narrow }) {
  const fresh = row?.changed && Date.now() - row.changed < 2400;
  const chosen = row && row.address === selected;
  return html`<div class=${`lr ${fresh ? 'fresh' : ''} ${chosen ? 'sel' : ''}`} role="row" aria-rowindex=${at + 2} data-at=${at} tabindex=${first || chosen ? 0 : -1} ref=${place(top)} onClick=${event => { if (row && !event.target.closest('a,button')) pick(chosen ? null : row.address); }}>
    ${row ? html`<div role="cell" class="mono c-addr">${narrow ? html`<button type="button" class="mono" onClick=${() => pick(row.address)}>${row.address}</button>` : html`<a href=${hostPath(row)}>${row.address}</a>`}</div>
      <div role="cell" class="nm"><${Dns} state=${row.dns}/>${row.name ? html`<a class="name" href=${hostPath(row)} title=${row.name}>${row.name}</a>` : html`<span class="dim">${row.hostname || 'no name'}</span>`}${row.reserved && html`<${Icon} name="bookmark" small label="Reserved"/>`}</div>
      <div role="cell" class="c-client mono">${row.hardware}</div><div role="cell" class="c-sub mono x-wide">${row.subnet}</div>
      <div role="cell" class="c-exp">${row.expires_at == null ? html`<span class="dim">for ever</span>` : html`<${Time} at=${row.expires_at} until/>`}</div>
      <div role="cell" class="c-state x-wide"><${State} state=${row.state}/></div>`
      : html`<div role="cell" class="dim" aria-colspan="6">…</div>`}</div>`;
}

function None({ filtered, all, set, status }) {
  if (filtered) return html`<${Empty} icon="search" title="No lease fits">${all ? `${plural(all, 'lease')} ${all === 1 ? 'is' : 'are'} hidden by the filters. ` : ''}<button type="button" class="link" onClick=${() => set({ q: '', subnet: '', state: '' })}>Clear the filters</button></${Empty}>`;
  return html`<${Empty} icon="list" title="No leases yet">${status.data ? html`Listening for clients since <${Time} at=${status.data.started_at} words="" /> ago (${absolute(status.data.started_at)}). ` : ''}The first one shows here by itself. ${all > 0 && html`<button type="button" class="link" onClick=${() => set({ state: 'all' })}>Show ${plural(all, 'lease')} that ended</button>`}</${Empty}>`;
}

/** The same over the list, where there is no room beside it. */
function Sheet({ row, live, close }) {
  const [now, show] = useState(row);
  useEffect(() => { const set = one => one && show(one); live.add(set); return () => live.delete(set); }, []);
  return html`<${Dialog} side heading=${title(now)} close=${close} actions=${html`<button type="button" class="btn" onClick=${() => close()}>Close</button>`}><${About} row=${now} left=${() => close('left')}/></${Dialog}>`;
}

/** What is known of a lease, and what can be done with it; `left` closes what lies over the page before something else comes. */
function About({ row, left = () => {} }) {
  const fact = (words, value, copied) => value && html`<dt>${words}</dt><dd><span class="wrap">${value}</span>${copied && html`<${Copy} text=${copied} what=${words}/>`}</dd>`;
  return html`<dl class="dl">${fact('Address', html`<span class="mono">${row.address}</span>${row.reserved && html` <span class="dim sm">reserved</span>`}`, row.address)}${fact('Name', row.name, row.name)}${fact('State', html`<${State} state=${row.state}/>`)}
      ${row.dns !== 'none' && fact('DNS', html`<${Dns} state=${row.dns} words/>`)}${fact('Hardware', html`<span class="mono">${row.hardware}</span>`, row.hardware)}${fact('Says it is', row.hostname, row.hostname)}${fact('Client ID', row.client_id && html`<span class="mono">${row.client_id}</span>`, row.client_id)}
      ${fact('Since', html`<span>${absolute(row.started_at)}</span>`)}${fact('Last heard', html`<${Time} at=${row.renewed_at} until/>`)}${fact('Until', row.expires_at == null ? 'for ever' : absolute(row.expires_at))}${fact('Where', row.place)}</dl>
    <div class="acts"><${LeaseActs} lease=${row} left=${left}/><a class="btn" href=${hostPath(row)} onClick=${() => left()}>Open host<${Icon} name="chevron-right" small/></a></div>`;
}
