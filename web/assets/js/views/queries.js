// Who asks for what, what is blocked, and by which rule?
import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Search, Segments, Skeleton, Words, dots, moment, plural, sentence } from '../ui.js';
import { Upstreams } from './upstreams.js';

const MOST = 200;
const KINDS = [['', 'All'], ['blocked', 'Blocked'], ['failed', 'Failed']];
/** What became of a question: glyph, kind, words. */
const FATES = {
  known: ['circle-check', 'ok', 'From memory'], asked: ['circle-check', 'ok', 'Answered'], stale: ['clock', 'warn', 'Answered, out of date'],
  local: ['info', 'info', 'Answered here'], blocked: ['eye-off', 'bad', 'Blocked'], failed: ['octagon-x', 'bad', 'Failed'],
};
const BY = { tls: 'by TLS', https: 'by HTTPS' };
const fits = (row, fate, q) => (!fate || row.fate === fate) && (!q || [row.name, row.host, row.hardware, row.client].some(text => text?.toLowerCase().includes(q.toLowerCase())));

/** The questions that fit, the newest first, kept up by a stream of their own while they are looked at. */
function useQueries(q, fate) {
  const asked = useApi(`/queries?${new URLSearchParams(Object.entries({ q, fate, limit: String(MOST) }).filter(([, value]) => value))}`);
  const [rows, setRows] = useState(null);
  const [live, setLive] = useState(false);
  useEffect(() => { if (asked.data) setRows([...asked.data.rows].reverse()); }, [asked.data]);
  const remembered = asked.data?.remembered;
  useEffect(() => {
    if (!remembered) return;
    let source;
    const read = () => {
      if (document.hidden || source) return;
      source = new EventSource('/api/v1/queries/stream');
      source.addEventListener('hello', () => setLive(true));
      source.addEventListener('error', () => setLive(false));
      source.addEventListener('queries', event => {
        const fresh = JSON.parse(event.data).filter(row => fits(row, fate, q));
        if (fresh.length) setRows(known => {
          const newest = known?.[0]?.number ?? -1;
          return [...fresh.filter(row => row.number > newest).map(row => ({ ...row, fresh: true })).reverse(), ...known ?? []].slice(0, MOST);
        });
      });
    };
    // A connection is worth something: who does not look gives it back, and asks for what was missed on coming back.
    const seen = () => { if (document.hidden) { source?.close(); source = null; } else { if (!source) asked.reload(); read(); } };
    read();
    document.addEventListener('visibilitychange', seen);
    return () => { source?.close(); document.removeEventListener('visibilitychange', seen); };
  }, [remembered, q, fate]);
  return { ...asked, rows, live };
}

export function Queries({ query }) {
  const q = query.get('q') ?? '', fate = query.get('fate') ?? '';
  const set = changes => go(withQuery(changes), { replace: true });
  const { data, rows, live, error, reload } = useQueries(q, fate);
  const [held, hold] = useState(null);
  const shown = held ?? rows ?? [];
  const missed = held && rows ? rows.filter(row => row.number > (held[0]?.number ?? -1)).length : 0;
  const off = data && !data.remembered;
  return html`<${Head} icon="activity" heading="Queries">${off ? '' : live ? `Names of others, as they are asked for. The newest ${MOST} are shown.` : 'Names of others that were asked for.'}</${Head}>
    ${!off && html`<div class="filters" role="search"><${Search} value=${q} label="Find in queries" placeholder="A name, or who asked" onSearch=${text => { hold(null); set({ q: text }); }}/><${Segments} label="What became of them" value=${fate} options=${KINDS} onPick=${one => { hold(null); set({ fate: one }); }}/><button type="button" class="btn" aria-pressed=${String(!!held)} onClick=${() => hold(held ? null : rows)}>${held ? `Go on${missed ? ` · ${plural(missed, 'new one')}` : ''}` : 'Hold still'}</button></div>`}
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data || !rows ? html`<${Skeleton} height=${320}/>` : off
      ? html`<div class="card"><${Empty} icon="eye-off" title="Questions are not remembered">Write <code class="mono">log = "whole"</code> in <code class="mono">[resolver]</code>, or <code class="mono">"nameless"</code> to leave the names out. Nobody is listened to unasked.</${Empty}></div>`
      : shown.length ? html`<div class="card box"><ul class="feed queries">${shown.map(row => html`<${QueryRow} key=${row.number} row=${row}/>`)}</ul></div>`
      : html`<div class="card"><${Empty} icon="search" title=${q || fate ? 'No question fits' : 'Nobody has asked yet'}>${q || fate ? html`<button type="button" class="link" onClick=${() => set({ q: '', fate: '' })}>Clear the filters</button>` : 'A client that asks for a name in no zone of ours shows here by itself.'}</${Empty}></div>`}
    <${Upstreams}/>`;
}

export function QueryRow({ row, own }) {
  const [icon, kind, words] = FATES[row.fate] ?? ['info', '', row.fate];
  const who = row.host ?? row.client;
  const at = row.at_ms / 1000;
  return html`<li class=${row.fresh ? 'fresh' : ''}><${Icon} name=${icon} kind=${kind} small label=${words}/>
    <span class="t">${row.name ?? html`<span class="dim">a name</span>`} <span class="dim sm">${row.type}</span></span><time datetime=${new Date(row.at_ms).toISOString()}>${moment(at)}</time>
    <span class="sub">${!own && html`<a class="link" href=${`/hosts/${encodeURIComponent(row.hardware ?? row.client)}`}>${who}</a> · `}${words}${BY[row.transport] ? ` ${BY[row.transport]}` : ''}${row.rcode !== 'NOERROR' && ` · ${row.rcode}`}${row.why && html` · <${Words}>${sentence(dots(row.why))}</${Words}>`}</span></li>`;
}

/** What one host asked for lately; nothing where questions are not remembered. */
export function QueriesOf({ hardware }) {
  const { data } = useApi(`/queries?limit=12&hardware=${encodeURIComponent(hardware)}`, { every: 5000 });
  if (!data?.remembered) return null;
  const rows = [...data.rows].reverse();
  return html`<section class="card box" aria-labelledby="asked-h"><h2 id="asked-h">What it asks for</h2>${rows.length ? html`<ul class="feed queries">${rows.map(row => html`<${QueryRow} key=${row.number} row=${row} own/>`)}</ul>` : html`<p class="dim sm">Nothing lately.</p>`}</section>`;
}
