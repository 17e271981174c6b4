// Chromium over the page of a running daemon, for the scripts beside this one: every fault of the page is one of the test.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export const PATIENCE = 30_000;
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** The policy of the page keeps axe out as it would anybody; nothing else is let in by this. */
export const WATCHED = { bypassCSP: true };

export const say = words => console.log(words);
export const must = (holds, words) => { if (!holds) throw new Error(words); };

/** Runs `play(stage)` with a browser over the page at `url`, and ends the process by what came of it. */
export async function onStage(url, modules, play) {
  const { chromium } = await import(pathToFileURL(path.join(modules, 'playwright-core/index.mjs')));
  const axe = fs.readFileSync(path.join(modules, 'axe-core/axe.min.js'), 'utf8');
  const browser = await chromium.launch({
    executablePath: process.env.LEASEHOLD_CHROMIUM || '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  });
  const faults = [];
  const stage = {
    faults,
    context: (device, more = {}) => browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ignoreHTTPSErrors: true, ...device, ...more }),
    async open(context, view) {
      const page = await context.newPage();
      page.on('pageerror', error => { faults.push(`${view}: ${error.stack}`); });
      page.on('console', message => { if (message.type() === 'error') faults.push(`${view}: ${message.text()} ${message.location().url}`); });
      page.on('request', request => { if (!request.url().startsWith(url)) faults.push(`${view} asks a foreign host: ${request.url()}`); });
      await page.goto(url + view);
      return page;
    },
    /** What a browser says of refusals that a story is about is no fault of the page. */
    forgive(words) { faults.splice(0, faults.length, ...faults.filter(fault => !words.test(fault))); },
    /** No accessibility fault in what is shown now, and nothing wider than the window. */
    async look(page, name) {
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
      for (const { id, help, nodes } of violations) faults.push(`${name}: axe ${id}: ${help}: ${nodes.map(node => node.html).slice(0, 3).join(' ')}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) faults.push(`${name}: ${wide} pixels wider than the window`);
    },
  };
  try {
    await play(stage);
    must(!faults.length, faults.join('\n'));
    say('DONE');
  } catch (error) {
    say(`FAULT ${error.stack}\n${faults.join('\n')}`);
    for (const page of browser.contexts().flatMap(context => context.pages())) {
      say(`AT ${page.url()}: ${await page.evaluate(() => document.body.innerText.slice(0, 2500)).catch(() => 'no text')}`);
    }
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

export const shows = (page, text) => page.getByText(text, { exact: false }).filter({ visible: true }).first().waitFor({ timeout: PATIENCE });

/** What the page's own session is told of a path of the API. */
export const asked = (page, path) => page.evaluate(async path => (await fetch('/api/v1' + path, { cache: 'no-store' })).json(), path);

/** Waits until a file is there: the network's part is done. */
export async function until(file) {
  while (!fs.existsSync(file)) await new Promise(resolve => setTimeout(resolve, 50));
}
