/** The state of the project that decides whether a release is possible. */
export interface Candidate {
  readonly version: string;
  readonly repository: string;
  readonly changelog: string;
  /** The output of `git status --porcelain`. */
  readonly status: string;
  readonly tags: readonly string[];
}

/** Returns the reasons against a release, or nothing. */
export function whatIsMissing({ version, repository, changelog, status, tags }: Candidate): readonly string[] {
  const problems: string[] = [];
  if (repository.includes('/OWNER/')) problems.push('package.json does not name the owner of the repository');
  if (status.trim() !== '') problems.push(`the tree is not clean:\n${status.trimEnd()}`);
  if (tags.includes(`v${version}`)) problems.push(`v${version} is released already; raise the version in package.json`);
  const section = changelog.split(/^## /m).find((each) => each.startsWith(`[${version}]`));
  if (section === undefined) problems.push(`CHANGELOG.md has no heading for ${version}`);
  else {
    if (!/^- /m.test(section)) problems.push(`CHANGELOG.md says nothing about ${version}`);
    if (!/^\S+ - \d{4}-\d{2}-\d{2}\n/.test(section)) {
      problems.push(`the heading of ${version} in CHANGELOG.md needs the day: "## [${version}] - 2026-11-20"`);
    }
  }
  return problems;
}
