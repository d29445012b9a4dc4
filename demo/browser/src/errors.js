/** What went wrong and what to do, in words for the page's user. */
export class UserError extends Error {}

/**
 * @param {unknown} error
 * @returns {string} for people
 */
export function words(error) {
  if (error instanceof UserError) return error.message;
  return `Something went wrong: ${error instanceof Error ? error.message : error}`;
}
