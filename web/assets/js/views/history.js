// Who had which address when?
import { html, useEffect, useRef, useState } from '../lib.js';
import { get, useApi } from '../api.js';
import { useEvents } from '../live.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Search, Skeleton, Words, absolute, dots, hostPath, plural, span } from '../ui.js';

const KINDS = {
  assigned: ['log-in', 'ok', 'Assigned'], renewed: ['rotate-ccw', 'pending', 'Renewed'], released: ['log-out', 'pending', 'Released'], expired: ['timer-off', 'pending', 'Ran out'],
  declined: ['triangle-alert', 'warn', 'Declined'], conflict: ['triangle-alert', 'warn', 'Conflict'], renamed: ['pencil', 'info', 'Renamed'], 'name-ended': ['eye-off', 'pending', 'Name ended'],
};
const PICKS = [['', 'Everything'], ['assigned', 'Assigned'], ['renewed', 'Renewed'], ['released,expired', 'Ended'], ['declined,conflict', 'Conflicts'], ['renamed,name-ended', 'Names']];
const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;
const stamp = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
/** What a field for a moment says, in UTC seconds; null for nothing. */
const secsOf = text => { const at = new Date(text).getTime(); return text && Number.isFinite(at) ? Math.floor(at / 1000) : null; };

export function History({ query }) {
  const q = query.get('q') ?? '', kind = query.get('kind') ?? '', subnet = query.get('subnet') ?? '', at = query.get('at') ?? '';
  const set = changes => go(withQuery(changes), { replace: true });
  const subnets = useApi('/subnets');
  const secs = secsOf(at);
  const asked = new URLSearchParams(Object.entries({ of: q, kind, subnet, until: secs == null ? '' : String(secs), limit: '100' }).filter(([, value]) => value));
  const filtered = q || kind || subnet || at;
  return html`<${Head} icon="clock" heading="History">Who had which address, and when. Find an address, a hardware address or a name.</${Head}>
    <div class="filters" role="search"><${Search} value=${q} label="Find in the history" placeholder="Address, MAC or name" onSearch=${text => set({ q: text })}/>
      <label class="field when"><span class="dim sm">At</span><input type="datetime-local" step="1" value=${at} aria-label="At this moment, or before" onChange=${event => set({ at: event.target.value })}/></label>
      <select aria-label="Subnet" value=${subnet} onChange=${event => set({ subnet: event.target.value })}><option value="">All subnets</option>${subnets.data?.subnets.map(one => html`<option key=${one.prefix} value=${one.prefix}>${one.prefix}</option>`)}</select>
      <select aria-label="What happened" value=${kind} onChange=${event => set({ kind: event.target.value })}>${PICKS.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}</select></div>
    ${ADDRESS.test(q) && secs != null && html`<${Holder} address=${q} at=${secs}/>`}
    <${Records} key=${String(asked)} asked=${String(asked)} filtered=${filtered} clear=${() => set({ q: '', kind: '', subnet: '', at: '' })}/>`;
}

/** Who had it at that moment, in a sentence. */
function Holder({ address, at }) {
  const { data, error, reload } = useApi(`/lease-history/${address}?at=${at}`);
  if (error) return html`<${Problem} error=${error} retry=${reload}/>`;
  if (!data) return html`<${Skeleton} height=${76}/>`;
  const { holder } = data;
  const who = holder && (dots(holder.name ?? '') || holder.hostname || holder.hardware);
  return html`<section class="card box held" aria-label=${`Who had ${address}`}><span class=${`mark ${holder ? 'ok' : ''}`}><${Icon} name=${holder ? 'circle-check' : 'circle-dashed'}/></span>
    <div><h2>${holder ? html`<a href=${hostPath(holder)}>${who}</a> had <span class="mono">${address}</span>` : html`Nobody that is known had <span class="mono">${address}</span>`}</h2>
    <p class="dim">${absolute(at)}${holder ? html`. It had the address from ${stamp.format(data.from * 1000)} ${data.until == null ? 'on, without an end' : `to ${stamp.format(data.until * 1000)}`}${data.last_seen ? `, and was last heard of ${stamp.format(data.last_seen * 1000)}` : ''}.` : '.'}</p>
    ${holder && html`<p class="dim sm"><span class="mono">${holder.hardware}</span>${holder.place && html` · <${Words}>${holder.place}</${Words}>`}${holder.relay && html` · by the relay <span class="mono">${holder.relay}</span>`}</p>`}</div></section>`;
}

function Records({ asked, filtered, clear }) {
  const first = useApi(`/lease-history?${asked}`);
  const [older, setOlder] = useState([]);
  const [next, setNext] = useState(null);
  const [fault, setFault] = useState(null);
  const [fresh, setFresh] = useState(false);
  // Nothing moves under a hand: what has happened since waits to be asked for.
  useEvents(({ events, gap }) => {
    if (gap && !older.length) first.reload();
    else if (gap || events.some(event => event.lease)) setFresh(true);
  }, [asked, older.length, first.reload]);
  useEffect(() => { setOlder([]); setNext(first.data?.next ?? null); }, [first.data]);
  const newest = useRef();
  newest.current = first.data;
  const more = async () => {
    try {
      const found = await get(`/lease-history?${asked}&after=${encodeURIComponent(next)}`);
      // Loaded anew meanwhile: these rows do not follow on those.
      if (newest.current !== first.data) return;
      setOlder(rows => [...rows, ...found.records]);
      setNext(found.next ?? null);
      setFault(null);
    } catch (error) { setFault(error); }
  };
  const { data, error } = first;
  if (!data) return error ? error.status === 400 && /no history/.test(error.message) ? html`<div class="card"><${Empty} icon="clock" title="No history is kept">${error.message}.</${Empty}></div>` : html`<${Problem} error=${error} retry=${first.reload}/>` : html`<${Skeleton} height=${360}/>`;
  const rows = [...data.records, ...older];
  if (!rows.length) return html`<div class="card"><${Empty} icon=${filtered ? 'search' : 'clock'} title=${filtered ? 'Nothing in the history fits' : 'Nothing has happened yet'}>${filtered ? html`<button type="button" class="link" onClick=${clear}>Clear the filters</button>` : 'The first lease is the first entry, and each stays for as long as [history] in the configuration says.'}</${Empty}></div>`;
  return html`${fresh && html`<button type="button" class="pill" onClick=${() => { setFresh(false); first.reload(); }}><${Icon} name="rotate-ccw" small/>Something happened · show</button>`}
    ${data.damaged > 0 && html`<p class="say sm">${plural(data.damaged, 'piece')} of the history on the disk ${data.damaged === 1 ? 'is' : 'are'} damaged. What stood there is not shown.</p>`}
    <div class="card"><table class="past"><caption class="vh">${plural(rows.length, 'entry', 'entries')}, the newest first</caption><thead><tr><th>When</th><th>What</th><th>Address</th><th>Name</th><th>Client</th><th>Where</th></tr></thead>
    <tbody>${rows.map((row, at) => html`<${Row} key=${`${row.at}-${row.address}-${row.kind}-${at}`} row=${row}/>`)}</tbody></table></div>
    ${fault && html`<${Problem} error=${fault} retry=${more}/>`}
    ${next && html`<button type="button" class="btn more-btn" onClick=${more}>Show older entries</button>`}`;
}

function Row({ row }) {
  const [icon, kind, words] = KINDS[row.kind] ?? ['info', '', row.kind];
  const name = dots(row.name ?? '') || row.hostname;
  const ends = row.kind === 'assigned' || row.kind === 'renewed' ? (row.expires_at == null ? 'for ever' : `for ${span(row.expires_at - row.at)}`) : row.kind === 'released' || row.kind === 'expired' ? `after ${span(row.at - row.started_at)}` : '';
  const place = row.place ?? (row.relay ? `by ${row.relay}` : '');
  return html`<tr><td class="p-when"><time datetime=${new Date(row.at * 1000).toISOString()}>${stamp.format(row.at * 1000)}</time></td>
    <td class="p-what"><span class="st"><${Icon} name=${icon} kind=${kind}/>${words}</span>${ends && html` <span class="dim sm nowrap">${ends}</span>`}</td>
    <td class="mono p-addr"><a href=${withQuery({ q: row.address })}>${row.address}</a></td>
    <td class="p-name wrap">${name ? html`<a class="name" href=${hostPath(row)}>${name}</a>` : html`<span class="dim">no name</span>`}</td>
    <td class="mono p-client"><a href=${withQuery({ q: row.hardware })}>${row.hardware}</a></td>
    <td class="p-where sm dim wrap">${place ? html`<${Words}>${place}</${Words}>` : ''}</td></tr>`;
}
