/*
 * must: a claim about our own code that holds in every build, release included.
 *
 * For mistakes of ours only. A peer's bytes must never be able to reach a `must` that fails;
 * what a peer can get wrong has a reply or a closed connection instead.
 */
#ifndef LOCKSTEP_BASE_MUST_H
#define LOCKSTEP_BASE_MUST_H

/*
 * Called when a claim does not hold; it must not return. The pure library leaves this symbol to
 * the program that links it: the proxy prints and aborts, a test reports.
 */
_Noreturn void must_failed(const char *claim, const char *file, int line);

#define must(claim) ((claim) ? (void)0 : must_failed(#claim, __FILE__, __LINE__))

#endif
