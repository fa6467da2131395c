/** What both homes of blobs agree on. */

/** An id is a file name and a key: nothing else is looked up. */
export const blobIdPattern = /^[0-9a-f]{32}$/;

/** A blob that no row names is swept after this long: by then the transaction that was to name it has ended. */
export const sweepAgeMs = 60 * 60 * 1000;
