import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { whatIsMissing } from '../../tools/readiness.ts';

const READY = {
  version: '1.2.0',
  repository: 'https://example.org/anna/weighbridge',
  changelog: '# Changelog\n\n## [1.2.0] - 2026-11-20\n\n- Something.\n\n## [1.1.0] - 2026-10-01\n\n- Something else.\n',
  status: '',
  tags: ['v1.1.0', ''],
};

describe('a release', () => {
  it('is ready if the tree is clean and the changelog has the version with its day', () => {
    assert.deepEqual(whatIsMissing(READY), []);
  });

  const NOT_READY: Readonly<Record<string, readonly [Partial<typeof READY>, RegExp]>> = {
    'something is not committed': [{ status: ' M src/main.ts\n' }, /not clean:\n M src\/main\.ts$/],
    'the owner of the repository is not set': [
      { repository: 'https://example.org/OWNER/weighbridge' },
      /does not name the owner/,
    ],
    'the version is tagged already': [{ tags: ['v1.2.0'] }, /v1\.2\.0 is released already/],
    'the changelog does not know the version': [{ version: '1.3.0' }, /no heading for 1\.3\.0/],
    'the changelog knows only a longer version': [{ version: '1.2' }, /no heading for 1\.2$/],
    'the changelog has a heading and nothing under it': [
      { changelog: '## [1.2.0] - 2026-11-20\n\n## [1.1.0] - 2026-10-01\n\n- Something else.\n' },
      /says nothing about 1\.2\.0/,
    ],
    'the heading does not say the day': [{ changelog: '## [1.2.0] - not released\n\n- Something.\n' }, /needs the day/],
  };
  for (const [what, [change, problem]] of Object.entries(NOT_READY)) {
    it(`is not ready if ${what}`, () => {
      const problems = whatIsMissing({ ...READY, ...change });
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', problem);
    });
  }
});
