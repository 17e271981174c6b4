// What waits, what was refused, when next?
import { html, useRef } from '../lib.js';
import { change, get, useApi } from '../api.js';
import { carry, useChanged } from '../changes.js';
import { useEvents } from '../live.js';
import { may, useMe } from '../me.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Search, Segments, Skeleton, Time, Words, dots, num, plural, sentence, span } from '../ui.js';

const STATES = [['', 'All'], ['refused', 'Refused'], ['pending', 'On its way']];

export function DnsWork({ query }) {
  const q = query.get('q') ?? '', state = query.get('state') ?? '', from = Number(query.get('from') ?? 0) || 0;
  const set = changes => go(withQuery(changes), { replace: true });
  const asked = new URLSearchParams(Object.entries({ q, state, offset: from ? String(from) : '', limit: '100' }).filter(([, value]) => value));
  const { data, error, reload } = useApi(`/dns-work?${asked}`, { every: 4000 });
  const soon = useRef(0);
  useEvents(() => { if (!soon.current) soon.current = setTimeout(() => { soon.current = 0; reload(); }, 500); }, [reload]);
  useChanged(reload, [reload]);
  const heading = !data ? 'DNS work' : data.refused ? `${plural(data.refused, 'name or address', 'names and addresses')} refused` : data.pending ? `${num(data.pending)} on ${data.pending === 1 ? 'its' : 'their'} way` : 'DNS holds every name';
  return html`<${Head} icon=${data?.refused ? 'octagon-x' : data?.pending ? 'circle-dashed' : 'circle-check'} mark=${data?.refused ? 'bad' : data && !data.pending ? 'ok' : ''} heading=${heading} tools=${data?.refused > 0 && html`<${RetryNow}/>`}>${data ? `${num(data.done)} names and addresses are as wanted${data.pending && data.refused ? `, ${num(data.pending)} on their way` : ''}.` : ''}</${Head}>
    <div class="filters"><${Search} value=${q} label="Find a name or address" onSearch=${text => set({ q: text, from: '' })}/><${Segments} label="State" value=${state} options=${STATES} onPick=${one => set({ state: one, from: '' })}/></div>
    ${error && html`<${Problem} error=${error} retry=${reload}/>`}
    ${!data ? !error && html`<${Skeleton} height=${280}/>` : data.rows.length ? html`<div class="card"><ul class="work">${data.rows.map(row => html`<${Row} key=${row.key + row.rtype} row=${row}/>`)}</ul></div>
      ${data.total > 100 && html`<div class="row more-btn"><span class="dim sm">${num(data.offset + 1)}–${num(data.offset + data.rows.length)} of ${num(data.total)}</span><button type="button" class="btn" disabled=${!data.offset} onClick=${() => set({ from: String(Math.max(0, data.offset - 100)) })}>Before</button><button type="button" class="btn" disabled=${data.offset + 100 >= data.total} onClick=${() => set({ from: String(data.offset + 100) })}>Next</button></div>`}`
      : html`<div class="card"><${Empty} icon=${q || state ? 'search' : 'circle-check'} title=${q || state ? 'Nothing fits' : 'Nothing is left to do'}>${q || state ? html`<button type="button" class="link" onClick=${() => set({ q: '', state: '' })}>Clear the filters</button>` : data.done ? 'Every name and address is in DNS as it is wanted.' : 'No names are kept in DNS yet: the first lease brings the first one.'}</${Empty}></div>`}`;
}

function Row({ row }) {
  const [icon, kind, told] = row.state === 'refused' ? ['octagon-x', 'bad', 'Refused'] : ['circle-dashed', 'pending', 'On its way'];
  return html`<li><${Icon} name=${icon} kind=${kind} small label=${told}/><a class="t" href=${`/hosts/${encodeURIComponent(row.key)}`}>${row.key}</a><span class="end">${row.next_try_secs != null ? `next try in ${span(row.next_try_secs)}` : row.rtype}</span>
    <span class="sub"><${Words}>${sentence(dots(row.words))}</${Words}></span>
    <span class="sub">${row.wanted ? html`Wanted: ${row.rtype} <span class="mono">${row.wanted}</span>` : `To be removed: ${row.rtype}`}${row.zone && html` · zone <a class="link" href=${`/zones/${row.zone}`}>${row.zone}</a>`}${row.server && html` at <span class="mono">${row.server}</span>`}${row.answered_at && html` · last answer <${Time} at=${row.answered_at} until/>`}${row.tries > 0 && ` · ${plural(row.tries, 'try', 'tries')}`}</span>
    ${row.state === 'refused' && row.zone && html`<span class="sub"><${RetryNow} of=${row.key}/></span>`}</li>`;
}

/** Tries at once what waits for its next try: of one name or address, or everything. */
export function RetryNow({ of }) {
  useMe();
  if (!may('operate')) return null;
  const retry = () => carry({
    title: ({ rows }) => (!rows ? 'Nothing waited for its next try' : of ? `${of} is tried now` : 'All that was refused is tried now'), doing: of ? `Trying ${of}` : 'Trying all that was refused', about: `retry ${of ?? ''}`,
    write: () => change('POST', '/dns-work/retry', { body: of ? { of } : {} }),
    follow: followWork(of),
  });
  return html`<button type="button" class="btn" onClick=${retry} aria-label=${of ? `Retry now: ${of}` : undefined}><${Icon} name="refresh-cw" small/>${of ? 'Retry now' : 'Retry all now'}</button>`;
}

const LOOKS = 12;

/** What the next try brings. */
const followWork = of => async (say, signal) => {
  const ask = () => get(`/dns-work?limit=200${of ? `&q=${encodeURIComponent(of)}` : ''}`, signal);
  const mine = found => found.rows.filter(row => !of || row.key === of);
  say({ state: 'doing', words: 'Waiting for the answer' });
  for (let looks = 0; looks < LOOKS; looks++) {
    await new Promise(resolve => setTimeout(resolve, looks < 5 ? 400 : 1500));
    const found = await ask().catch(error => { if (error.name === 'AbortError') throw error; return null; });
    if (!found) continue;
    const rows = mine(found);
    if (!rows.length) return say({ state: 'done', words: of ? 'In DNS as wanted' : 'DNS holds every name' });
    const refused = rows.filter(row => row.state === 'refused');
    if (looks > 3 && refused.length && !rows.some(row => row.state === 'pending')) {
      return say({ state: 'bad', words: refused.length > 1 ? `${num(found.refused)} are refused still` : 'Refused again', detail: sentence(dots(refused[0].words)), href: `/dns-work?state=refused` });
    }
  }
  say({ state: 'done', words: 'Sent; the answer is not there yet', href: '/dns-work' });
};
