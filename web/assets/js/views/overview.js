// Is all well? What needs me?
import { html, useMemo, useState } from '../lib.js';
import { useApi } from '../api.js';
import { Bar, Empty, Icon, LEVELS, Problem, Segments, Skeleton, Time, Words, bytes, num, percent, span, useHeading, useTick } from '../ui.js';
import { Devices } from './devices.js';
import { Feed, useFeed } from './feed.js';
import { Plot } from '../plot.js';

export function Overview({ status }) {
  const { data, error } = status;
  if (!data) return error ? html`<${Heading} level="bad" words="The server does not answer"/><${Problem} error=${error} retry=${status.reload}/>` : html`<h1 id="h1" tabindex="-1" class="vh">Overview</h1><${Skeleton} height=${420}/>`;
  const { verdict } = data;
  return html`<${Heading} level=${error ? 'bad' : verdict.level} words=${error ? 'The server does not answer' : verdict.words}>
      ${error ? error.message : verdict.detail} <${Checked} at=${status.at}/></${Heading}>
    ${verdict.attention.length > 0 && html`<section class="sec att" aria-labelledby="h1"><ul class="card todo">${verdict.attention.map(one => html`<${Attention} key=${one.title} one=${one}/>`)}</ul></section>`}
    <${Devices}/><${Facts} data=${data}/>
    <div class="cols"><div><${Plots} data=${data}/><${Pools}/></div><aside aria-label="Just now"><${JustNow} data=${data}/></aside></div>`;
}

function Heading({ level, words, children }) {
  useHeading();
  const [icon, kind] = LEVELS[level] ?? LEVELS.ok;
  return html`<header class="head"><span class=${`mark ${kind}`}><${Icon} name=${icon}/></span><div><h1 id="h1" tabindex="-1">${words}</h1><p>${children}</p></div></header>`;
}

function Checked({ at }) {
  useTick();
  return html`<span class="nowrap">Checked ${span((Date.now() - at) / 1000)} ago.</span>`;
}

function Attention({ one }) {
  const [icon, kind] = LEVELS[one.level];
  return html`<li><${Icon} name=${icon} kind=${kind} label=${one.level === 'bad' ? 'Fault' : 'Warning'}/><div><p class="t">${one.title}</p><p class="sm dim wrap"><${Words}>${one.detail}</${Words}>${one.since != null && html` Since <${Time} at=${one.since}/>.`}</p></div>${one.way && html`<a class="btn" href=${one.way.path}><span>${one.way.words}</span><${Icon} name="chevron-right" small/></a>`}</li>`;
}

function Fact({ path, level, label, value, unit, detail }) {
  const [icon, kind] = LEVELS[level];
  return html`<a href=${path}><span class="lab"><${Icon} name=${icon} kind=${kind} small label=${level === 'ok' ? 'Well' : 'Not well'}/>${label}</span><span class="v">${value} <small>${unit}</small></span><span class="sm dim">${detail}</span></a>`;
}

function Facts({ data }) {
  const { leases, names, storage, traffic } = data;
  const last = useLast();
  const about = [names.refused && `${num(names.refused)} refused`, names.pending && `${num(names.pending)} on their way`].filter(Boolean).join(', ');
  const dropped = Object.values(traffic.dropped).reduce((sum, one) => sum + one, 0);
  return html`<div class="facts">
    <${Fact} path="/leases?state=bound" level=${leases.pool && !leases.free ? 'bad' : 'ok'} label="Addresses" value=${num(leases.bound)} unit=${leases.bound === 1 ? 'lease' : 'leases'} detail=${`${num(leases.free)} of ${num(leases.pool)} free`}/>
    <${Fact} path="/dns-work" level=${names.refused ? 'bad' : 'ok'} label="Names in DNS" value=${num(names.done)} unit=${`of ${num(names.wanted)}`} detail=${about || (names.wanted ? 'names and addresses, all as wanted' : 'no names are kept')}/>
    <${Fact} path="/events" level="ok" label="DHCP messages" value=${last == null ? num(traffic.received) : num(last)} unit=${last == null ? 'received' : 'per s'} detail=${dropped ? `${num(dropped)} not answered since the start` : 'each one answered'}/>
    <${Fact} path="/configuration" level=${storage.full ? 'bad' : 'ok'} label="Lease store" value=${storage.bytes == null ? '–' : bytes(storage.bytes).split(' ')[0]} unit=${storage.bytes == null ? '' : bytes(storage.bytes).split(' ')[1]} detail=${storage.full ? 'no room is left' : storage.disk_free == null ? '' : `${bytes(storage.disk_free)} free on its disk`}/>
  </div>`;
}

/** DHCP messages a second, of the newest point. */
function useLast() {
  const { data } = useApi('/history?range=1h', { every: 10000 });
  return data?.received.at(-1);
}

const RANGES = [['1h', '1 h'], ['24h', '24 h'], ['7d', '7 d']];
const POINTS = { '1h': 360, '24h': 288, '7d': 336 };
const TITLES = { '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' };

function Plots({ data }) {
  // A day that has just begun shows as little as an hour would, and worse.
  const young = data.now - data.started_at < 7200;
  const [picked, pick] = useState(null);
  const range = picked ?? (young ? '1h' : '24h');
  const { data: figures, error, reload } = useApi(`/history?range=${range}`, { every: range === '1h' ? 10000 : 60000 });
  const rate = value => `${num(value)}/s`;
  const series = useMemo(() => figures && {
    leases: [figures.at, figures.leases], messages: [figures.at, figures.received, figures.sent],
  }, [figures]);
  return html`<section class="sec" aria-labelledby="plots-h"><header><h2 id="plots-h">${TITLES[range]}</h2><${Segments} label="Range" value=${range} options=${RANGES} onPick=${pick}/></header>
    ${error && !figures ? html`<${Problem} error=${error} retry=${reload}/>` : html`<div class="card plots">
      <${Plot} label="Leases" series=${series?.leases} names=${['Leases']} show=${num} step=${figures?.step_secs} points=${POINTS[range]} since=${data.started_at}/>
      <${Plot} label="DHCP messages a second" series=${series?.messages} names=${['Received', 'Answered']} show=${rate} step=${figures?.step_secs} points=${POINTS[range]} since=${data.started_at}/></div>`}</section>`;
}

function Pools() {
  const { data, error, reload } = useApi('/subnets', { every: 5000 });
  const all = data?.subnets ?? [];
  const share = one => (one.pool ? one.taken / one.pool : 0);
  const top = [...all].sort((one, other) => share(other) - share(one)).slice(0, 6);
  return html`<section class="sec" aria-labelledby="pools-h"><header><h2 id="pools-h">Subnets</h2><a class="more" href="/subnets">${all.length > 6 ? `All ${all.length} subnets` : 'Open subnets'}</a></header>
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton}/>` : !all.length
      ? html`<div class="card"><${Empty} icon="network" title="No subnet is served">Add a <code class="mono">[[subnet]]</code> with its prefix and pools to the configuration.</${Empty}></div>`
      : html`<div class="card"><${PoolTable} subnets=${top}/></div>`}</section>`;
}

export function PoolTable({ subnets }) {
  return html`<table class="pools"><thead><tr><th scope="col">Subnet</th><th scope="col">In use</th><th scope="col" class="num">Leases</th><th scope="col" class="num c-free">Free</th><th scope="col">Trend</th></tr></thead>
    <tbody>${subnets.map(one => html`<${PoolRow} key=${one.prefix} one=${one}/>`)}</tbody></table>`;
}

function PoolRow({ one }) {
  const used = one.pool ? one.taken / one.pool : 0;
  const warn = one.pool > 0 && one.free / one.pool < 0.1;
  const name = one.network || one.domain || 'Subnet';
  return html`<tr><td><span class="nowrap"><a class="name" href=${`/subnets/${one.prefix}`}>${name}</a>${warn && html` <${Icon} name="triangle-alert" kind="warn in" small label="Nearly full"/>`}</span> <span class="mono pfx">${one.prefix}</span></td>
    <td class="c-bar"><div><${Bar} used=${used} warn=${warn} label=${`${percent(used)} in use`}/><span class="pc">${one.pool ? percent(used) : '–'}</span></div></td>
    <td class="num l">${num(one.bound)}</td><td class="num c-free">${num(one.free)}</td><td class="sm dim c-trend">${one.trend ?? 'not known yet'}</td></tr>`;
}

function JustNow({ data }) {
  const { events, error, reload } = useFeed(9);
  return html`<section class="sec" aria-labelledby="now-h"><header><h2 id="now-h">Just now</h2><a class="more" href="/events">Events</a></header>
    ${error && !events ? html`<${Problem} error=${error} retry=${reload}/>` : !events ? html`<${Skeleton}/>` : events.length ? html`<${Feed} events=${events}/>`
      : html`<p class="dim sm">Nothing yet. Listening for clients since <${Time} at=${data.started_at}/>.</p>`}</section>`;
}
