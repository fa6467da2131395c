/** A journey from its first step to its last: told, judged, left running until Ctrl-C or ended, and cleaned up in any case. */
import type { Running } from "./processes.ts";
import { tellStory, type Story } from "./story.ts";

/** What a journey starts, it puts into `running`; what it gives back says what there is to do while it is left running. */
export type Journey = (story: Story, running: Running[]) => Promise<readonly string[]>;

/** `exit`: end after the last step. The exit code is 0 only if every step held. */
export async function perform(journey: Journey, { exit }: { exit: boolean }): Promise<void> {
  const story = tellStory();
  const running: Running[] = [];
  const interrupted = new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  try {
    const invitation = await journey(story, running);
    const { failed } = story;
    story.line("");
    story.line(failed.length === 0 ? "Every step held." : `${failed.length} did not hold: ${failed.join("; ")}`);
    process.exitCode = failed.length === 0 ? 0 : 1;
    if (exit) return;
    for (const line of invitation) story.line(line);
    story.line("Ctrl-C ends it all.");
    await interrupted;
  } catch (error) {
    story.line(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  } finally {
    for (const process of running.toReversed()) await process.end();
  }
}
