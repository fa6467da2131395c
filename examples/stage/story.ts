/** Tells a journey: headings, lines, live figures where there is a terminal, and what held and what did not. */
const color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
const paint = (code: string, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);

export interface Story {
  step(title: string): void;
  line(text: string): void;
  /** One line that is written over, where there is a terminal. */
  live(text: string): void;
  /** Says whether something held; what did not is remembered. */
  check(held: boolean, text: string): void;
  readonly failed: readonly string[];
}

export function tellStory(): Story {
  const failed: string[] = [];
  let steps = 0;
  let liveShown = false;
  const print = (text: string) => {
    if (liveShown) process.stdout.write("\r\u001b[K");
    liveShown = false;
    process.stdout.write(`${text}\n`);
  };
  return {
    step(title) {
      steps += 1;
      print(`\n${paint("1;33", `${steps}. ${title}`)}`);
    },
    line: (text) => print(`   ${text}`),
    live(text) {
      if (!color) return;
      process.stdout.write(`\r\u001b[K   ${paint("2", text)}`);
      liveShown = true;
    },
    check(held, text) {
      if (!held) failed.push(text);
      print(`   ${held ? paint("32", "held") : paint("31", "DID NOT HOLD")}  ${text}`);
    },
    failed,
  };
}
