package release

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/backend"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// workflow is what the tests look at in a workflow.
type workflow struct {
	Jobs map[string]struct {
		Permissions map[string]string
		Steps       []struct{ Uses, Run string }
	}
}

var (
	uses   = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`)
	pinned = regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	runs   = regexp.MustCompile(`(?m)^\s*- run: make (.*)$`)
)

// The workflows were not run. This much is known: their make targets exist. make lint runs actionlint.
func TestWorkflowsUseExistingTargets(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(harness.Path("Makefile"))
	require.NoError(t, err)
	workflows, err := filepath.Glob(harness.Path(".github/workflows/*.yml"))
	require.NoError(t, err)
	require.Len(t, workflows, 2)
	for _, file := range workflows {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			text := string(content)
			require.Regexp(t, `(?m)^permissions:( \{\}|\n  contents: read)$`, text)
			for _, run := range runs.FindAllStringSubmatch(text, -1) {
				for target := range strings.FieldsSeq(run[1]) {
					require.Regexp(t, `(?m)^`+target+`: `, string(makefile), "it runs make %s", target)
				}
			}
		})
	}
}

// A job that can sign or publish runs nothing of this repository: no sources, no build, only these actions.
func TestJobsThatBuildCannotSignOrPublish(t *testing.T) {
	t.Parallel()
	signing := regexp.MustCompile(
		`^(actions/download-artifact|sigstore/cosign-installer|actions/attest-build-provenance)@`)
	var writers []string
	for name, workflow := range workflows(t) {
		for job, does := range workflow.Jobs {
			if does.Permissions["id-token"] != "write" && does.Permissions["contents"] != "write" {
				continue
			}
			writers = append(writers, name+" "+job)
			for _, step := range does.Steps {
				if step.Uses != "" {
					require.Regexp(t, signing, step.Uses, job)
				}
				require.NotRegexp(t, `\b(make|go|docker|git)\b`, step.Run, job)
			}
		}
	}
	require.Equal(t, []string{"release.yml publish"}, writers)
}

// workflows are the workflows by the names of their files.
func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(harness.Path(".github/workflows/*.yml"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	all := map[string]workflow{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var parsed workflow
		require.NoError(t, yaml.Unmarshal(content, &parsed))
		all[filepath.Base(file)] = parsed
	}
	return all
}

var image = regexp.MustCompile(`(?im)^[^#\n]*\b(?:image: |docker create )"?([^\s"]+)`)

// Workflows and examples name each action by a commit, and each image by a digest. Only an image that users build
// themselves has none.
func TestImagesAndActionsArePinned(t *testing.T) {
	t.Parallel()
	images, actions := 0, 0
	for _, folder := range []string{".github", "examples"} {
		err := filepath.WalkDir(harness.Path(folder), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, found := range image.FindAllStringSubmatch(string(content), -1) {
				name := found[1]
				if !strings.HasPrefix(name, "registry.example.com/") && !strings.HasPrefix(name, "$") {
					require.Regexp(t, `^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$`, name, path)
					images++
				}
			}
			if strings.HasSuffix(path, ".yml") {
				for _, action := range uses.FindAllStringSubmatch(string(content), -1) {
					require.Regexp(t, pinned, action[1], path)
					actions++
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, images, 7)
	require.GreaterOrEqual(t, actions, 10)
}

// docs/install.md and the Helm chart's values name files of the version that is built.
func TestInstallDocumentNamesThisVersion(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"docs/install.md", "examples/operator/vault-helm-values.yml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(harness.Path(name))
			require.NoError(t, err)
			for _, version := range regexp.MustCompile(`v\d+\.\d+\.\d+`).FindAllString(string(content), -1) {
				require.Equal(t, backend.Version, version)
			}
		})
	}
}
