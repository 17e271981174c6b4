// What is free? When is it full?
import { html, useEffect, useMemo, useRef, useState } from '../lib.js';
import { get, useApi } from '../api.js';
import { useEvents } from '../live.js';
import { Bar, Empty, Head, Icon, Problem, Search, Skeleton, Words, announce, hostPath, num, percent, plural, title } from '../ui.js';
import { tellFault, useChanged } from '../changes.js';
import { Dialog, openDialog } from '../layers.js';
import { may, useMe } from '../me.js';
import { reserveFor } from '../reservations.js';
import { useNarrow } from '../windows.js';
import { go, withQuery } from '../router.js';
import { PoolTable } from './overview.js';
import { LeaseActs } from './lease-acts.js';
import { List } from './leases.js';

export function Subnets({ query }) {
  const { data, error, reload } = useApi('/subnets', { every: 5000 });
  const text = query.get('q') ?? '';
  const all = data?.subnets ?? [];
  const some = all.filter(one => `${one.prefix} ${one.domain ?? ''} ${one.network ?? ''}`.toLowerCase().includes(text.toLowerCase()));
  const [most, setMost] = useState(100);
  return html`<${Head} icon="network" heading=${data ? plural(all.length, 'subnet') : 'Subnets'}>${data ? `${num(all.reduce((sum, one) => sum + one.free, 0))} pool addresses are free.` : ''}</${Head}>
    ${all.length > 8 && html`<div class="filters"><${Search} value=${text} label="Find a subnet" onSearch=${q => go(withQuery({ q }), { replace: true })}/></div>`}
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton} height=${320}/>` : some.length ? html`<div class="card"><${PoolTable} subnets=${some.slice(0, most)}/></div>${some.length > most && html`<button type="button" class="btn more-btn" onClick=${() => setMost(most + 100)}>Show more</button>`}`
      : html`<div class="card"><${Empty} icon="network" title=${all.length ? 'No subnet fits' : 'No subnet is served'}>${all.length ? `${plural(all.length, 'subnet')} hidden by “${text}”.` : html`Add a <code class="mono">[[subnet]]</code> with its prefix and pools to the configuration.`}</${Empty}></div>`}`;
}

const KINDS = { b: 'In use', B: 'In use, reserved', r: 'Reserved, not there', f: 'Free', x: 'Kept back', s: 'This server', '-': 'Of no pool' };

export function Subnet({ rest, status }) {
  const { data, error, reload } = useApi(`/subnets/${rest}`, { every: 5000 });
  useMe();
  useChanged(reload, [reload]);
  if (!data) return error ? html`<${Head} icon="network" heading=${rest} crumb=${['/subnets', 'Subnets']}></${Head}><${Problem} error=${error} retry=${reload}/>` : html`<h1 id="h1" tabindex="-1" class="vh">${rest}</h1><${Skeleton} height=${420}/>`;
  const { subnet, pools, reservations } = data;
  const used = subnet.pool ? subnet.taken / subnet.pool : 0;
  const warn = subnet.pool > 0 && subnet.free / subnet.pool < 0.1;
  const name = subnet.network || subnet.domain;
  return html`<${Head} icon=${warn ? 'triangle-alert' : 'network'} mark=${warn ? 'warn' : ''} heading=${name ?? subnet.prefix} crumb=${['/subnets', 'Subnets']} tools=${may('operate') && subnet.free > 0 && html`<button type="button" class="btn" onClick=${() => reserveNext(subnet.prefix)}><${Icon} name="bookmark" small/>Reserve next free</button>`}>
      <span class="mono">${subnet.prefix}</span>${subnet.pool ? ` · ${percent(used)} in use` : ' · no pool'}${subnet.trend ? ` · ${subnet.trend}` : ''}</${Head}>
    <div class="figs"><${Figure} words="Leases" value=${subnet.bound}/><${Figure} words="Free" value=${subnet.free}/><${Figure} words="Of pools" value=${subnet.pool}/><${Figure} words="Reserved" value=${subnet.reserved}/>${subnet.quarantined > 0 && html`<${Figure} words="Kept back" value=${subnet.quarantined}/>`}</div>
    <${Map} key=${rest} prefix=${rest} count=${data.addresses}/>
    ${pools.length > 1 && html`<section class="sec" aria-labelledby="pools-h"><header><h2 id="pools-h">Pools</h2></header><div class="card"><table class="pools"><thead><tr><th scope="col">Ranges</th><th scope="col">In use</th><th scope="col" class="num">Addresses</th><th scope="col" class="num c-free">Free</th></tr></thead><tbody>${pools.map(pool => { const share = pool.pool ? (pool.pool - pool.free) / pool.pool : 0; return html`<tr key=${pool.ranges[0]}><td class="mono wrap">${pool.ranges.slice(0, 4).join(', ')}${pool.ranges.length > 4 && ` and ${pool.ranges.length - 4} more`}</td><td class="c-bar"><div><${Bar} used=${share} label=${`${percent(share)} in use`}/><span class="pc">${percent(share)}</span></div></td><td class="num">${num(pool.pool)}</td><td class="num c-free">${num(pool.free)}</td></tr>`; })}</tbody></table></div></section>`}
    ${reservations.length > 0 && html`<${Reservations} all=${reservations}/>`}
    <section class="sec" aria-labelledby="leases-h"><header><h2 id="leases-h">Leases</h2><a class="more" href=${`/leases?subnet=${encodeURIComponent(subnet.prefix)}`}>Open in Leases</a></header><${List} path=${`/leases?subnet=${encodeURIComponent(subnet.prefix)}&state=bound&`} status=${status}/></section>`;
}

const Figure = ({ words, value }) => html`<div><span class="lab">${words}</span><span class="v">${num(value)}</span></div>`;

function Reservations({ all }) {
  const [most, setMost] = useState(20);
  return html`<section class="sec" aria-labelledby="res-h"><header><h2 id="res-h">${plural(all.length, 'reservation')}</h2></header><div class="card"><ul class="work">${all.slice(0, most).map((one, at) => html`<li key=${at}><${Icon} name="bookmark" small/><span class="t">${one.hostname ?? 'No name'}</span><span class="end mono">${one.address ? html`<a href=${`/hosts/${one.address}`}>${one.address}</a>` : 'from the pools'}</span><span class="sub mono">${one.clients.join(', ')}</span></li>`)}</ul></div>${all.length > most && html`<button type="button" class="btn more-btn" onClick=${() => setMost(most + 100)}>Show more</button>`}</section>`;
}

const toNumber = address => address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
const toAddress = number => [24, 16, 8, 0].map(bits => Math.floor(number / 2 ** bits) % 256).join('.');

/** Reserves the first address of the pools that nobody has. */
async function reserveNext(prefix) {
  try {
    for (let from = prefix.split('/')[0]; from;) {
      const map = await get(`/subnets/${prefix}/map?from=${from}`);
      const at = map.cells.indexOf('f');
      if (at >= 0) return void reserveFor({ address: toAddress(toNumber(map.first) + at), subnet: prefix });
      from = map.next;
    }
    throw new Error('No address of the pools is free.');
  } catch (error) { tellFault(error); }
}

/** Who has an address, and what can be done about it. */
function Cell({ address, cell, prefix, left = () => {} }) {
  const [lease, setLease] = useState(undefined);
  const [round, again] = useState(0);
  useChanged(() => again(count => count + 1));
  useEffect(() => {
    if (!'bBx'.includes(cell)) { setLease(null); return; }
    const aborter = new AbortController();
    const timer = setTimeout(() => get(`/leases?limit=8&q=${address}&subnet=${encodeURIComponent(prefix)}`, aborter.signal)
      .then(found => setLease(found.rows.find(row => row.address === address) ?? null)).catch(() => {}), 80);
    return () => { clearTimeout(timer); aborter.abort(); };
  }, [address, cell, round]);
  const known = lease?.address === address ? lease : null;
  const subject = known ?? (cell === 'r' ? { address, subnet: prefix, hardware: null, hostname: '', name: null, state: 'none', reserved: true } : null);
  return html`<p><b class="mono">${address}</b> · ${KINDS[cell]}</p><p class="sm dim">${known ? html`<a class="link" href=${hostPath(known)} onClick=${() => left()}>${title(known)}</a> · <span class="mono">${known.hardware}</span>` : 'rbBx'.includes(cell) ? html`<a class="link" href=${`/hosts/${address}`} onClick=${() => left()}>Open host</a>` : ' '}</p>
    <div class="acts">${subject && cell !== 'x' ? html`<${LeaseActs} lease=${subject} left=${left}/>` : may('operate') && (cell === 'f' || cell === '-') && html`<button type="button" class="btn" onClick=${() => { left(); reserveFor({ address, subnet: prefix }); }}><${Icon} name="bookmark" small/>Reserve ${address}</button>`}</div>`;
}

/** 256 addresses at a time, sixteen a line. */
function Map({ prefix, count }) {
  const network = toNumber(prefix.split('/')[0]);
  const parts = Math.ceil(count / 256);
  const [part, setPart] = useState(0);
  const first = network + part * 256;
  const { data, error, reload } = useApi(`/subnets/${prefix}/map?from=${toAddress(first)}`, { every: 10000 });
  const narrow = useNarrow();
  useChanged(reload, [reload]);
  const [at, setAt] = useState(null);
  const [focus, setFocus] = useState(0);
  const soon = useRef(0);
  useEvents(({ events, gap }) => { if (gap || events.some(event => event.lease?.subnet === prefix)) { clearTimeout(soon.current); soon.current = setTimeout(reload, 250); } }, [reload, prefix]);
  const cells = (data?.cells ?? '').slice(0, Math.min(256, count));
  const chosen = at == null ? null : toAddress(first + at);
  const keys = event => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 16, ArrowUp: -16, Home: -focus, End: cells.length - 1 - focus };
    const step = steps[event.key];
    if (step == null) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(cells.length - 1, focus + step));
    setFocus(to);
    setAt(to);
    event.currentTarget.querySelector(`[data-c="${to}"]`)?.focus();
  };
  // Whoever is on the way to what can be done passes over other addresses.
  const soonAt = useRef(0);
  const pinned = useRef(null);
  const point = one => { clearTimeout(soonAt.current); if (pinned.current == null) soonAt.current = setTimeout(() => setAt(one), 60); };
  const pin = one => { pinned.current = pinned.current === one ? null : one; setAt(one); setFocus(one); };
  // By touch it comes over the map, by keyboard the focus goes to what can be done.
  const info = useRef();
  const open = one => {
    setAt(one);
    setFocus(one);
    const address = toAddress(first + one);
    if (narrow) openDialog(close => html`<${Dialog} heading=${address} close=${close} actions=${html`<button type="button" class="btn" onClick=${() => close()}>Close</button>`}><${Cell} address=${address} cell=${cells[one]} prefix=${prefix} left=${close}/></${Dialog}>`);
    else requestAnimationFrame(() => requestAnimationFrame(() => info.current?.querySelector('a,button')?.focus()));
  };
  const totals = useMemo(() => [...cells].reduce((sum, cell) => ({ ...sum, [cell]: (sum[cell] ?? 0) + 1 }), {}), [cells]);
  return html`<section class="sec" aria-labelledby="map-h"><header><h2 id="map-h">Addresses</h2><span class="dim sm">${toAddress(first)} – ${toAddress(first + Math.max(0, Math.min(256, count - part * 256) - 1))}</span></header><div class="card box">
    ${parts > 1 && html`<div class="strips" role="group" aria-label="Part of the subnet">${parts <= 16 ? [...Array(parts)].map((_, one) => html`<button type="button" key=${one} class="mono" aria-pressed=${String(one === part)} onClick=${() => { setPart(one); setAt(null); setFocus(0); }}>${toAddress(network + one * 256)}</button>`)
      : html`<button type="button" disabled=${part === 0} onClick=${() => setPart(part - 1)}>Before</button><select aria-label="Part" value=${part} onChange=${event => setPart(Number(event.target.value))}>${[...Array(Math.min(parts, 4096))].map((_, one) => html`<option key=${one} value=${one}>${toAddress(network + one * 256)}</option>`)}</select><button type="button" disabled=${part === parts - 1} onClick=${() => setPart(part + 1)}>Next</button>`}</div>`}
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : html`<div class="map-row"><div class="map" role="group" aria-label=${`Map of ${prefix}: ${Object.entries(totals).map(([cell, many]) => `${KINDS[cell]} ${many}`).join(', ')}`} onKeyDown=${keys} onMouseLeave=${() => clearTimeout(soonAt.current)}>${[...cells].map((cell, one) => html`<button type="button" key=${one} data-c=${one} data-k=${cell} class=${`cell ${cell === '-' ? '' : cell} ${at === one ? 'at' : ''}`} tabindex=${one === focus ? 0 : -1} aria-label=${`${toAddress(first + one)}: ${KINDS[cell]}`} onMouseEnter=${() => point(one)} onFocus=${() => { setAt(one); setFocus(one); }} onClick=${event => (narrow || event.detail === 0 ? open(one) : pin(one))}></button>`)}</div>
    <div class="map-side"><div class="legend" aria-hidden="true">${[...'bBrfx-'].filter(cell => totals[cell]).map(cell => html`<span key=${cell}><i class=${`cell ${cell === '-' ? '' : cell}`} data-k=${cell}></i>${KINDS[cell]} ${num(totals[cell])}</span>`)}</div>
    <div class="map-info" ref=${info}>${chosen == null || cells[at] == null ? html`<p class="dim sm">Point at an address, or move with the arrow keys, to see who has it. Enter leads to what can be done.</p>` : html`<${Cell} address=${chosen} cell=${cells[at]} prefix=${prefix}/>`}</div></div></div>`}</div></section>`;
}
