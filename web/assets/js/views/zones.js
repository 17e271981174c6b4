// What does DNS say, and who put it there?
import { html, useEffect, useRef } from '../lib.js';
import { useApi } from '../api.js';
import { useChanged } from '../changes.js';
import { useEvents } from '../live.js';
import { may, useMe } from '../me.js';
import { add, edit } from '../records.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Search, Skeleton, Time, dots, num, plural, span } from '../ui.js';
import { place, tall, useNarrow, useVirtual, useWindows } from '../windows.js';

const STANDING = { 'in-use': ['circle-check', 'ok'], reserve: ['circle-dashed', 'pending'], 'passed-over': ['triangle-alert', 'warn'], failing: ['octagon-x', 'bad'] };

export function Zones() {
  const { data, error, reload } = useApi('/zones', { every: 5000 });
  const all = data?.zones ?? [];
  const group = reverse => all.filter(zone => zone.reverse === reverse);
  return html`<${Head} icon="globe" heading=${data ? plural(all.length, 'zone') : 'Zones'}>Names go into these zones of DNS. <a class="link" href="/dns-work">DNS work</a></${Head}>
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton} height=${240}/>` : !all.length ? html`<div class="card"><${Empty} icon="globe" title="No names are kept">Give a subnet a <code class="mono">domain</code>, and add its <code class="mono">[[zone]]</code>: then leases have names.</${Empty}></div>`
      : [[false, 'Names'], [true, 'Addresses']].map(([reverse, words]) => group(reverse).length > 0 && html`<section class="sec" key=${words} aria-labelledby=${`z${words}`}><header><h2 id=${`z${words}`}>${words}</h2></header><div class="card"><ul class="work">${group(reverse).map(zone => html`<${Row} key=${zone.id} zone=${zone}/>`)}</ul></div></section>`)}`;
}

function Row({ zone }) {
  const failing = zone.servers.find(server => server.failing_since != null);
  const [icon, kind] = failing ? STANDING[failing.standing] : ['circle-check', 'ok'];
  return html`<li><${Icon} name=${icon} kind=${kind} small label=${failing ? 'A server fails' : 'Well'}/><span class="t"><a href=${`/zones/${zone.id}`}>${zone.apex}</a>${zone.views.length > 0 && html` <span class="dim">for ${zone.views.join(', ')}</span>`}</span><span class="end">${[zone.names != null && plural(zone.names, 'name'), zone.queued > 0 && `${num(zone.queued)} waiting`].filter(Boolean).join(' · ')}</span><span class="sub">${zone.embedded ? `served here, serial ${zone.serial}` : zone.servers.map(server => server.server).join(', ')}${failing ? ` · ${dots(failing.state)}` : ''}</span></li>`;
}

export function Zone({ rest, query }) {
  const zones = useApi('/zones', { every: 5000 });
  const q = query.get('q') ?? '';
  const zone = zones.data?.zones.find(one => one.id === rest);
  useMe();
  const bad = zone?.servers.some(server => server.standing === 'failing');
  // Of several zones with one name a record says by a view which of them it is for.
  const view = zone && zones.data.zones.filter(one => one.apex === zone.apex).length > 1 ? zone.views[0] : undefined;
  const own = zone && zone.role !== 'secondary' && may('operate');
  const tools = own && html`<button type="button" class="btn pri" onClick=${() => add(zone.apex, view)}><${Icon} name="plus" small/>Add record</button>`;
  return html`<${Head} icon=${bad ? 'octagon-x' : 'globe'} mark=${bad ? 'bad' : ''} heading=${zone ? zone.apex : rest} crumb=${['/zones', 'Zones']} tools=${tools}>${zone ? standing(zone) : ''}</${Head}>
    ${zone && !zone.embedded && html`<section class="card box" aria-labelledby="srv-h"><h2 id="srv-h">Servers</h2><ul class="tl">${zone.servers.map(server => html`<li key=${server.server}><${Icon} name=${STANDING[server.standing]?.[0] ?? 'circle-dashed'} kind=${STANDING[server.standing]?.[1] ?? ''}/><p class="t mono">${server.server}</p><p class="sm dim">${server.state}${server.failing_since != null && html` · since <${Time} at=${server.failing_since} until/>`}${server.next_try_secs != null && ` · next try in ${span(server.next_try_secs)}`}</p></li>`)}</ul></section>`}
    <div class="filters"><${Search} value=${q} label="Find a record" placeholder="Name, type or data" onSearch=${text => go(withQuery({ q: text }), { replace: true })}/></div>
    <${Records} path=${`/zones/${encodeURIComponent(rest)}/records?${q ? `q=${encodeURIComponent(q)}&` : ''}`} q=${q} zone=${zone ? zone.apex : rest} view=${view} own=${own}/>`;
}

const COPIES = { fresh: 'up to date', stale: 'no primary has answered lately', expired: 'expired', 'not-loaded': 'never loaded' };
function standing(zone) {
  if (zone.copy) return `A copy of ${zone.copy.primaries.join(', ')} · ${COPIES[zone.copy.state] ?? zone.copy.state}${zone.serial != null ? ` · serial ${zone.serial}` : ''}. Its records are changed there.`;
  return zone.embedded ? `Served by this daemon${zone.views.length > 0 ? ` for ${zone.views.join(', ')}` : ''} · serial ${zone.serial}` : `Kept at ${zone.servers.map(server => server.server).join(', ')}`;
}

const ORIGINS = { lease: 'A lease', zone: 'The zone', configuration: 'Main file', made: 'Local file', update: 'An update', primary: 'Its primary' };
const originOf = row => ORIGINS[row.made ? 'made' : row.origin] ?? row.origin;

/** Whose record it is leads on: a lease's to its host, one that was made here to where it can be changed. */
function Name({ row, zone, view, own }) {
  if (row.made && own) return html`<button type="button" class="name" aria-label=${`Change ${row.rtype} of ${row.name}`} onClick=${() => edit(row, zone, view)}>${row.name}</button>`;
  return row.origin === 'lease' ? html`<a class="name" href=${`/hosts/${encodeURIComponent(row.name)}`}>${row.name}</a>` : html`<span class="name">${row.name}</span>`;
}

/** What stands in the main file is changed there, by whoever may. */
const Origin = ({ row }) => (row.origin === 'configuration' && !row.made && may('administer') ? html`<a class="link" href="/configuration">${originOf(row)}</a>` : html`<span>${originOf(row)}</span>`);

function Records({ path, q, zone, view, own }) {
  const narrow = useNarrow();
  const list = useWindows(path);
  const { box, items, height } = useVirtual(list.total ?? 0, narrow ? 64 : 40);
  useEffect(() => { list.need(items.map(item => item.at)); });
  const soon = useRef(0);
  useEvents(() => { if (!soon.current) soon.current = setTimeout(() => { soon.current = 0; list.refresh(); }, 1000); }, [path]);
  useEffect(() => () => { clearTimeout(soon.current); soon.current = 0; }, [path]);
  useChanged(() => list.refresh(), [path]);
  if (list.error && list.total == null) return html`<${Problem} error=${list.error} retry=${list.refresh}/>`;
  if (list.total == null) return html`<${Skeleton} height=${360}/>`;
  if (!list.total) return html`<div class="card"><${Empty} icon=${q ? 'search' : 'globe'} title=${q ? 'No record fits' : 'No records yet'}>${q ? html`<button type="button" class="link" onClick=${() => go(withQuery({ q: '' }), { replace: true })}>Clear the filter</button>` : own ? html`The first lease with a name brings the first one, or <button type="button" class="link" onClick=${() => add(zone, view)}>add one by hand</button>.` : 'The first lease with a name brings the first one.'}</${Empty}></div>`;
  return html`${list.extra?.whole === false && html`<p class="say sm">Shown is what this server keeps there. The zone's own server may hold more.</p>`}
    <div class="card records" role="table" aria-label="Records" aria-rowcount=${list.total + 1}><div class="list-head" role="row" aria-rowindex="1"><div role="columnheader">Name</div><div role="columnheader">Type</div><div role="columnheader">Data</div><div role="columnheader" class="num c-ttl">TTL</div><div role="columnheader" class="c-origin">Put there by</div></div>
    <div class="grid" role="rowgroup" ref=${element => { box.current = element; tall(height)(element); }}>${items.map(({ at, top }) => { const row = list.row(at); return html`<div class="lr" role="row" key=${at} aria-rowindex=${at + 2} ref=${place(top)}>${row ? html`<div role="cell" title=${row.name}><${Name} row=${row} zone=${zone} view=${view} own=${own}/></div><div role="cell" class="c-type">${row.rtype}</div><div role="cell" class="mono c-data" title=${row.data}>${row.data}</div><div role="cell" class="num c-ttl">${num(row.ttl)}</div><div role="cell" class="c-origin sm dim"><${Origin} row=${row}/>${row.made && own && html`<button type="button" class="ib" tabindex="-1" aria-hidden="true" title="Change" onClick=${() => edit(row, zone, view)}><${Icon} name="pencil" small/></button>`}</div>` : html`<div role="cell" class="dim">…</div>`}</div>`; })}</div></div>`;
}
