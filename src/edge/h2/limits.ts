/** Every bound of the HTTP/2 engine; those that it shares with HTTP/1.1 are in `../h1/limits.ts`. */

/** Requests of a client's connection at once (ALB user guide, "Listeners": 128 in parallel). One more is refused. */
export const streamsMax = 128;
/** Requests of a client's connection; then it is told to go, and may come again (ALB: 10,000). */
export const requestsMax = 10_000;
/** All fields of a request as RFC 9113 section 6.5.2 counts them: 32 more than the bytes of each. */
export const headerListBytesMax = 64 * 1024;
/** Fields of a message, pseudo-header fields among them. */
export const headerPairsMax = 512;
/** What a sender may have under way on one stream: as much as is held in memory for a receiver that is slow. */
export const streamWindowBytes = 64 * 1024;
/**
 * Memory of a client's session in MB, as `node:http2` counts it: past that it resets new streams. Twice what
 * `connectionBytesMax` says, so that requests get an answer first.
 */
export const sessionMbMax = 32;
/** Frames that break a rule which ends a stream and not the connection; one more ends the connection. */
export const invalidFramesMax = 100;
/** Streams that were refused because too many were open; one more ends the connection. */
export const rejectedStreamsMax = 100;

/**
 * Frames that cost the sender little and us much, in {@link floodWindowMs}: PING, SETTINGS, and requests that their
 * sender takes back before they are answered (CVE-2019-9512, CVE-2019-9515, CVE-2023-44487). A page that is left takes
 * back what it had under way, which is {@link streamsMax} at most.
 */
export const floodFramesMax = 2 * streamsMax;
export const floodWindowMs = 10_000;

/** How long a client that was told to go may still begin requests, if it does not answer sooner. */
export const goawayGraceMs = 1_000;

/** Sessions of one thread to one endpoint. Past these, requests wait for their turn on one that is there. */
export const sessionsMax = 64;
/** Requests at once on a session whose endpoint has not said yet how many it takes (RFC 9113 section 6.5.2 asks for 100). */
export const streamsUnsaid = 100;
/** Times that a request goes out again because an endpoint said that it did not look at it. */
export const movesMax = 2;
/** A session is asked for a sign of life when nothing has come for this long while requests wait ... */
export const pingAfterMs = 15_000;
/** ... and given up when none comes for this long. */
export const pingMsMax = 10_000;
/** A session without requests is closed after this long. */
export const sessionRestMs = 55_000;
