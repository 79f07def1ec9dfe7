package release

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

var (
	uses   = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`)
	pinned = regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	runs   = regexp.MustCompile(`(?m)^\s*- run: make (.*)$`)
)

// The workflows were not run. This much is known: each action is pinned to a commit, and the make targets exist. make lint runs
// actionlint.
func TestWorkflowsPinActionsAndUseExistingTargets(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(harness.Path("Makefile"))
	require.NoError(t, err)
	workflows, err := filepath.Glob(harness.Path(".github/workflows/*.yml"))
	require.NoError(t, err)
	require.Len(t, workflows, 2)
	for _, file := range workflows {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		text := string(content)
		require.Regexp(t, `(?m)^permissions:( \{\}|\n  contents: read)$`, text)
		actions := uses.FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, actions)
		for _, action := range actions {
			require.Regexp(t, pinned, action[1])
		}
		for _, run := range runs.FindAllStringSubmatch(text, -1) {
			for target := range strings.FieldsSeq(run[1]) {
				require.Regexp(t, `(?m)^`+target+`: `, string(makefile), "%s runs make %s", file, target)
			}
		}
	}
}

// docs/install.md and the Helm chart's values name files of the version that is built.
func TestInstallDocumentNamesThisVersion(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"docs/install.md", "examples/operator/vault-helm-values.yml"} {
		content, err := os.ReadFile(harness.Path(name))
		require.NoError(t, err)
		for _, version := range regexp.MustCompile(`v\d+\.\d+\.\d+`).FindAllString(string(content), -1) {
			require.Equal(t, backend.Version, version, name)
		}
	}
}
