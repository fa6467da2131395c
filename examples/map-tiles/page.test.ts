/** The page in a real browser, in front of a door that can be turned: monolith, function, or broken. */
import { existsSync } from "node:fs";
import { createServer, request as send, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createHandler } from "./map/handler.ts";
import { startMonolith, type Monolith } from "./monolith/server.ts";
import { createCutter } from "./tiles/cutter.ts";
import { readWorld } from "./tiles/world.ts";

const chromiumPath = "/usr/bin/chromium";
const hasChromium = existsSync(chromiumPath);
if (!hasChromium) console.warn(`SKIPPED: the page's tests need Chromium at ${chromiumPath} (Debian: chromium).`);

const chromiumArgs = ["--no-sandbox", "--disable-dev-shm-usage"].concat(
  // WebGL without a graphics card.
  ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
  ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
);
/** Software WebGL on a busy machine. */
const patience = { timeout: 60_000 };
type By = "monolith" | "function" | "failed";

describe.skipIf(!hasChromium)("the page (in Chromium)", { timeout: 120_000 }, () => {
  let door: Door;
  let browser: Browser;
  let page: Page;
  /** What the page asked for elsewhere, and what went wrong in it. */
  let strays: string[];
  let errors: string[];

  beforeAll(async () => {
    door = await openDoor();
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArgs });
  });
  afterAll(async () => {
    await browser.close();
    await door.close();
  });

  beforeEach(() => {
    door.by = "monolith";
    [strays, errors] = [[], []];
  });
  afterEach(() => page.close());

  async function visit(options: { width?: number; height?: number; dark?: boolean } = {}): Promise<void> {
    const { width = 1000, height = 640, dark = false } = options;
    page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? "dark" : "light" });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(door.origin) && !/^(data|blob):/.test(url)) strays.push(url);
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
    await page.goto(door.origin);
  }

  const cell = (by: By, name: string) => page.locator(`tr[data-by="${by}"] [data-${name}]`);
  const status = () => page.locator("#status").textContent();
  const inView = async (by: By) => Number(await cell(by, "view").textContent());
  /** Waits until every tile in view was last served so, and there are some. */
  const allBy = async (by: By) => {
    const others = (["monolith", "function", "failed"] as const).filter((other) => other !== by);
    await expect
      .poll(async () => (await Promise.all(others.map(inView))).every((count) => count === 0), patience)
      .toBe(true);
    await expect.poll(() => inView(by), patience).toBeGreaterThanOrEqual(4);
  };

  it("draws the map, and outlines its tiles in the monolith's slate", async () => {
    await visit();
    await allBy("monolith");
    await drawn(page, slate);
    expect(await cell("monolith", "share").textContent()).toBe("100%");
    expect(await cell("function", "share").textContent()).toBe("0%");
    expect(await status()).toBe("All tiles come from the monolith.");
    expect(Number(await cell("monolith", "p50").textContent())).toBeGreaterThan(0);
    expect(await pixels(page, land)).toBeGreaterThan(20_000);
    expect(await pixels(page, mandarin)).toBeLessThan(500);
    expect(strays).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("shows a peel as it happens, and the fallback", async () => {
    await visit();
    await allBy("monolith");
    door.by = "function";
    await allBy("function");
    await drawn(page, mandarin);
    await expect.poll(status, patience).toBe("All tiles come from the function.");
    expect(await cell("function", "share").textContent()).toBe("100%");
    door.by = "monolith";
    await allBy("monolith");
    await drawn(page, slate);
    expect(errors).toEqual([]);
  });

  it("shows what fails, and draws the tile when it can be had again", async () => {
    door.by = "failed";
    await visit();
    await allBy("failed");
    expect(await cell("failed", "last").textContent()).toBe("502, edge");
    expect(await status()).toBe("Most tiles fail.");
    expect(await pixels(page, land)).toBeLessThan(1000);
    door.by = "monolith";
    await allBy("monolith");
    await drawn(page, land, 20_000);
  });

  it("shows places, and the way between two of them", async () => {
    await visit();
    await page.locator(".spot", { hasText: "Tokyo" }).click(patience);
    await page.locator(".spot", { hasText: "Seoul" }).click(patience);
    await expect
      .poll(() => page.locator("#route").textContent(), patience)
      .toMatch(/^Tokyo – Seoul 1,159\.4 km, 3 h 43 min/);
    expect(errors).toEqual([]);
  });

  it("pauses", async () => {
    await visit();
    await allBy("monolith");
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForLoadState("networkidle");
    const before = door.tiles;
    // As many frames as a dozen questions would take.
    await page.evaluate("new Promise((resolve) => setTimeout(resolve, 140 * 12))");
    expect(door.tiles).toBe(before);
    await page.getByRole("button", { name: "Resume" }).click();
    await expect.poll(() => door.tiles, patience).toBeGreaterThan(before);
  });

  it("fits a phone, in the dark", async () => {
    await visit({ width: 390, height: 844, dark: true });
    await allBy("monolith");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    const card = await page.locator(".card").boundingBox();
    expect(card).toMatchObject({ x: 0, width: 390 });
    expect((card?.y ?? 0) + (card?.height ?? 0)).toBe(844);
    // Half of the screen at least is map.
    expect(card?.y).toBeGreaterThan(422);
    await drawn(page, { r: 28, g: 35, b: 43, within: 12 }, 20_000);
    expect(errors).toEqual([]);
  });
});

interface Colour {
  r: number;
  g: number;
  b: number;
  /** How far each part may be off. */
  within: number;
}

const slate: Colour = { r: 122, g: 138, b: 155, within: 22 };
const mandarin: Colour = { r: 240, g: 138, b: 36, within: 12 };
/** Under the faint fill of either server. */
const land: Colour = { r: 244, g: 244, b: 240, within: 8 };

/** Waits until at least `count` pixels of the page have the colour. */
async function drawn(page: Page, colour: Colour, count = 2000): Promise<void> {
  await expect.poll(() => pixels(page, colour), { ...patience, interval: 300 }).toBeGreaterThan(count);
}

/** Pixels of that colour right of the card, where only the map is; counted by the browser itself. */
async function pixels(page: Page, colour: Colour): Promise<number> {
  const image = (await page.screenshot()).toString("base64");
  return page.evaluate(`(${countPixels})(${JSON.stringify([image, colour])})`);
}

/** In the page; as text, because the types of the browser are none of the program's. */
const countPixels = `async ([image, { r, g, b, within }]) => {
  const picture = Object.assign(new Image(), { src: "data:image/png;base64," + image });
  await picture.decode();
  const { width, height } = picture;
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  pen.drawImage(picture, 0, 0);
  const left = width > 640 ? 360 : 0;
  const { data } = pen.getImageData(left, 0, width - left, height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const off = Math.max(Math.abs(data[i] - r), Math.abs(data[i + 1] - g), Math.abs(data[i + 2] - b));
    if (off <= within) count += 1;
  }
  return count;
}`;

/** Stands where Mikan's load balancer will: passes all on to the monolith, tiles to whom `by` says. */
interface Door {
  origin: string;
  by: By;
  /** Requests for tiles so far. */
  tiles: number;
  close(): Promise<void>;
}

async function openDoor(): Promise<Door> {
  const monolith: Monolith = await startMonolith();
  const invoke = createHandler({ tiles: createCutter(await readWorld()), allowSlow: false, sleep: async () => {} });
  const passOn = (incoming: IncomingMessage, response: ServerResponse) => {
    const onward = send(
      monolith.origin + incoming.url,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    onward.end();
  };
  const server: Server = createServer((incoming, response) => {
    const path = incoming.url ?? "/";
    if (!path.startsWith("/map/")) return passOn(incoming, response);
    door.tiles += 1;
    if (door.by === "monolith") return passOn(incoming, response);
    if (door.by === "failed") return response.writeHead(502).end("<h1>502 Bad Gateway</h1>");
    return void invoke({ httpMethod: "GET", path }).then(({ statusCode, headers, body }) => {
      response.writeHead(statusCode, headers).end(Buffer.from(body, "base64"));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const door: Door = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    by: "monolith",
    tiles: 0,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await monolith.close();
    },
  };
  return door;
}
