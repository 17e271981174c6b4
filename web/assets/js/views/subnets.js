// What is free? When is it full?
import { html, useEffect, useMemo, useRef, useState } from '../lib.js';
import { get, useApi } from '../api.js';
import { useEvents } from '../live.js';
import { Bar, Empty, Head, Icon, Problem, Search, Skeleton, Words, announce, hostPath, num, percent, plural, title } from '../ui.js';
import { PoolTable } from './overview.js';
import { List } from './leases.js';

export function Subnets() {
  const { data, error, reload } = useApi('/subnets', { every: 5000 });
  const [text, search] = useState('');
  const all = data?.subnets ?? [];
  const some = all.filter(one => `${one.prefix} ${one.domain ?? ''} ${one.network ?? ''}`.toLowerCase().includes(text.toLowerCase()));
  const [most, setMost] = useState(100);
  return html`<${Head} icon="network" heading=${data ? plural(all.length, 'subnet') : 'Subnets'}>${data ? `${num(all.reduce((sum, one) => sum + one.free, 0))} pool addresses are free.` : ''}</${Head}>
    ${all.length > 8 && html`<div class="filters"><${Search} value=${text} label="Find a subnet" onSearch=${search}/></div>`}
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton} height=${320}/>` : some.length ? html`<div class="card"><${PoolTable} subnets=${some.slice(0, most)}/></div>${some.length > most && html`<button type="button" class="btn more-btn" onClick=${() => setMost(most + 100)}>Show more</button>`}`
      : html`<div class="card"><${Empty} icon="network" title=${all.length ? 'No subnet fits' : 'No subnet is served'}>${all.length ? `${plural(all.length, 'subnet')} hidden by “${text}”.` : html`Add a <code class="mono">[[subnet]]</code> with its prefix and pools to the configuration.`}</${Empty}></div>`}`;
}

const KINDS = { b: 'In use', B: 'In use, reserved', r: 'Reserved, not there', f: 'Free', x: 'Kept back', s: 'This server', '-': 'Of no pool' };

export function Subnet({ rest, status }) {
  const { data, error, reload } = useApi(`/subnets/${rest}`, { every: 5000 });
  if (!data) return error ? html`<${Head} icon="network" heading=${rest} crumb=${['/subnets', 'Subnets']}></${Head}><${Problem} error=${error} retry=${reload}/>` : html`<h1 id="h1" tabindex="-1" class="vh">${rest}</h1><${Skeleton} height=${420}/>`;
  const { subnet, pools, reservations } = data;
  const used = subnet.pool ? subnet.taken / subnet.pool : 0;
  const warn = subnet.pool > 0 && subnet.free / subnet.pool < 0.1;
  const name = subnet.network || subnet.domain;
  return html`<${Head} icon=${warn ? 'triangle-alert' : 'network'} mark=${warn ? 'warn' : ''} heading=${name ?? subnet.prefix} crumb=${['/subnets', 'Subnets']}>
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

/** 256 addresses at a time, sixteen a line. */
function Map({ prefix, count }) {
  const network = toNumber(prefix.split('/')[0]);
  const parts = Math.ceil(count / 256);
  const [part, setPart] = useState(0);
  const first = network + part * 256;
  const { data, error, reload } = useApi(`/subnets/${prefix}/map?from=${toAddress(first)}`, { every: 10000 });
  const [names, setNames] = useState({});
  const [at, setAt] = useState(null);
  const [focus, setFocus] = useState(0);
  const soon = useRef(0);
  useEvents(({ events, gap }) => { if (gap || events.some(event => event.lease?.subnet === prefix)) { clearTimeout(soon.current); soon.current = setTimeout(reload, 250); } }, [reload, prefix]);
  const cells = (data?.cells ?? '').slice(0, Math.min(256, count));
  const chosen = at == null ? null : toAddress(first + at);
  // Who has it is asked for where somebody looks.
  useEffect(() => {
    if (chosen == null || !'bBx'.includes(cells[at]) || names[chosen]) return;
    const aborter = new AbortController();
    const timer = setTimeout(() => get(`/leases?limit=8&q=${chosen}&subnet=${encodeURIComponent(prefix)}`, aborter.signal)
      .then(found => setNames(known => ({ ...known, [chosen]: found.rows.find(row => row.address === chosen) }))).catch(() => {}), 80);
    return () => { clearTimeout(timer); aborter.abort(); };
  }, [chosen, cells]);
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
  const lease = chosen && names[chosen];
  const totals = useMemo(() => [...cells].reduce((sum, cell) => ({ ...sum, [cell]: (sum[cell] ?? 0) + 1 }), {}), [cells]);
  return html`<section class="sec" aria-labelledby="map-h"><header><h2 id="map-h">Addresses</h2><span class="dim sm">${toAddress(first)} – ${toAddress(first + Math.max(0, Math.min(256, count - part * 256) - 1))}</span></header><div class="card box">
    ${parts > 1 && html`<div class="strips" role="group" aria-label="Part of the subnet">${parts <= 16 ? [...Array(parts)].map((_, one) => html`<button type="button" key=${one} class="mono" aria-pressed=${String(one === part)} onClick=${() => { setPart(one); setAt(null); setFocus(0); }}>${toAddress(network + one * 256)}</button>`)
      : html`<button type="button" disabled=${part === 0} onClick=${() => setPart(part - 1)}>Before</button><select aria-label="Part" value=${part} onChange=${event => setPart(Number(event.target.value))}>${[...Array(Math.min(parts, 4096))].map((_, one) => html`<option key=${one} value=${one}>${toAddress(network + one * 256)}</option>`)}</select><button type="button" disabled=${part === parts - 1} onClick=${() => setPart(part + 1)}>Next</button>`}</div>`}
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : html`<div class="map-row"><div class="map" role="group" aria-label=${`Map of ${prefix}: ${Object.entries(totals).map(([cell, many]) => `${KINDS[cell]} ${many}`).join(', ')}`} onKeyDown=${keys} onMouseLeave=${() => document.activeElement?.dataset?.c || setAt(null)}>${[...cells].map((cell, one) => html`<button type="button" key=${one} data-c=${one} data-k=${cell} class=${`cell ${cell === '-' ? '' : cell} ${at === one ? 'at' : ''}`} tabindex=${one === focus ? 0 : -1} aria-label=${`${toAddress(first + one)}: ${KINDS[cell]}`} onMouseEnter=${() => setAt(one)} onFocus=${() => { setAt(one); setFocus(one); }} onClick=${() => { setAt(one); setFocus(one); }}></button>`)}</div>
    <div class="map-side"><div class="legend" aria-hidden="true">${[...'bBrfx-'].filter(cell => totals[cell]).map(cell => html`<span key=${cell}><i class=${`cell ${cell === '-' ? '' : cell}`} data-k=${cell}></i>${KINDS[cell]} ${num(totals[cell])}</span>`)}</div>
    <div class="map-info">${chosen == null ? html`<p class="dim sm">Point at an address, or move with the arrow keys, to see who has it.</p>` : html`<p><b class="mono">${chosen}</b> · ${KINDS[cells[at]]}</p><p class="sm dim">${lease ? html`<a class="link" href=${hostPath(lease)}>${title(lease)}</a> · <span class="mono">${lease.hardware}</span>` : 'rbBx'.includes(cells[at]) ? html`<a class="link" href=${`/hosts/${chosen}`}>Open host</a>` : ' '}</p>`}</div></div></div>`}</div></section>`;
}
