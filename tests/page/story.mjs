// A day of an administrator, in Chromium over TLS: a lease arrives and is reserved, renamed and followed into DNS; its name
// turns out to be somebody's, the page says why, it is tried again, and in the end released. `tests/it/page_changes.rs` plays
// the network's part.
//
//   node story.mjs story URL MODULES NAME PASSWORD DIRECTORY      DIRECTORY: where the network says that its part is done
import path from 'node:path';
import { DESKTOP, PATIENCE, WATCHED, asked, must, onStage, say, shows, until } from './browser.mjs';

const [, url, modules, name, password, directory] = process.argv.slice(2);
const wait = { timeout: PATIENCE };
const button = (scope, words) => scope.getByRole('button', { name: words, exact: true });
const tray = page => page.getByRole('region', { name: 'Changes' });
const step = (page, words) => tray(page).getByText(words, { exact: true }).last().waitFor(wait);

async function rename(page, from, to) {
  await button(page, 'Rename').first().click();
  const dialog = page.getByRole('dialog', { name: `Rename ${from}` });
  await dialog.getByLabel('Name').fill(to);
  await button(dialog, 'Rename').click();
  await dialog.waitFor({ state: 'detached', ...wait });
  await shows(page, `It is called ${to} now`);
}

await onStage(url, modules, async stage => {
  const page = await stage.open(await stage.context(DESKTOP, WATCHED), '/leases');
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await stage.look(page, 'the door');
  await page.keyboard.press('Enter');
  await shows(page, 'No leases yet');
  await shows(page, 'Live');
  await page.evaluate(() => { window.loadedOnce = true; });
  say('EMPTY');
  // It arrives live, and is reserved with one click.
  await shows(page, 'phone.home.example');
  must(await page.evaluate(() => window.loadedOnce === true), 'the page was loaded anew');
  await page.locator('.lr').first().click({ position: { x: 600, y: 10 } });
  const panel = page.getByRole('complementary');
  await button(panel, 'Reserve').click();
  for (const words of ['Saved', 'Applied', 'In DNS']) await step(page, words);
  await stage.look(page, 'leases');
  await rename(page, 'phone', 'desk');
  await step(page, 'In DNS');
  await panel.getByText('desk.home.example').first().waitFor(wait);
  say('RENAMED');
  await until(path.join(directory, 'taken'));
  // The name that it is to have next was made by hand at the DNS server meanwhile.
  await panel.getByRole('link', { name: 'Open host' }).click();
  await page.getByRole('heading', { level: 1, name: 'desk.home.example' }).waitFor(wait);
  await rename(page, 'desk', 'laptop');
  await step(page, 'Refused by DNS');
  await shows(page, 'is not as wanted');
  await stage.look(page, 'the host of a refused name');
  const why = await page.getByRole('region', { name: 'Why its name is what it is' }).innerText();
  must(/by hand|somebody else|without (a )?DHCID/i.test(why), `it does not say why: ${why}`);
  await tray(page).getByRole('button', { name: 'Close this message' }).first().click();
  await page.keyboard.press('g');
  await page.keyboard.press('d');
  await page.getByRole('heading', { level: 1, name: 'refused' }).waitFor(wait);
  const row = page.getByRole('listitem').filter({ has: page.getByRole('button', { name: 'Retry now: laptop.home.example' }) });
  must(/by hand|somebody else|DHCID/i.test(await row.innerText()), 'DNS work says why');
  await stage.look(page, 'DNS work');
  // Asked for too early, it is refused again, and says so.
  await row.getByRole('button', { name: 'Retry now: laptop.home.example' }).click();
  await step(page, 'Refused again');
  await tray(page).getByRole('button', { name: 'Close this message' }).first().click();
  say('REFUSED');
  await until(path.join(directory, 'freed'));
  await button(page, 'Retry all now').click();
  await step(page, 'DNS holds every name');
  await page.getByRole('heading', { level: 1, name: 'DNS holds every name' }).waitFor(wait);
  await stage.look(page, 'DNS work that is done');
  say('RETRIED');
  await page.goto(`${url}/hosts/laptop.home.example`);
  await page.getByRole('heading', { level: 1, name: 'laptop.home.example' }).waitFor(wait);
  await button(page, 'Release').first().click();
  const question = page.getByRole('dialog').filter({ hasText: 'The address stays reserved for it.' });
  await button(question, 'Release').click();
  await shows(page, 'has ended');
  await shows(page, 'Released');
  await stage.look(page, 'a host whose lease has ended');
  const { changes } = await asked(page, '/changes?limit=50');
  for (const what of ['reserve', 'by the name laptop', 'try all', 'end the lease']) must(changes.some(one => one.who.includes(name) && one.what.includes(what)), `the audit log does not say that ${name} did "${what}"`);
  await button(page, 'Sign out').click();
  await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor(wait);
  // What a browser says of the time before one has signed in is no fault of the page.
  stage.forgive(/status of 401/);
});
