package scheme

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// Configs have their own copies of schemes, so what the catalogue ever had must go on compiling and signing as it did.
// testdata/earlier has every text that differs from today's in more than comments. After a scheme changed, this adds
// what it was, from the history of the repository:
//
//	go test ./internal/scheme -run TestEarlierSchemes -update
func TestEarlierSchemes(t *testing.T) {
	t.Parallel()
	if *update {
		addEarlierSchemes(t)
	}
	files, err := filepath.Glob("testdata/earlier/*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 36)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			s, err := ParseStored(string(text))
			require.NoError(t, err)
			require.NoError(t, s.Outdated())
			require.NoError(t, s.CheckExamples())
		})
	}
}

func addEarlierSchemes(t *testing.T) {
	t.Helper()
	known, count := map[string]bool{}, map[string]int{}
	for _, pattern := range []string{"../../schemes/*.yml", "testdata/earlier/*.yml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			known[withoutComments(t, text)] = true
			if name := filepath.Base(file); strings.HasPrefix(file, "testdata") { // NAME-1.yml
				count[name[:strings.LastIndex(name, "-")]]++
			}
		}
	}
	git := func(arguments ...string) []byte {
		output, err := exec.CommandContext(t.Context(), "git", arguments...).Output()
		require.NoError(t, err)
		return output
	}
	history := git("log", "--reverse", "--full-history", "--format=", "--raw", "--no-abbrev", "--", ":/schemes/*.yml")
	for line := range strings.Lines(string(history)) {
		change := strings.Fields(line)     // modes, blobs, what was done, file
		for _, blob := range change[2:4] { // before, which a merge can have made, and after
			if strings.Trim(blob, "0") == "" {
				continue // there was none
			}
			text := git("cat-file", "blob", blob)
			if means := withoutComments(t, text); !known[means] {
				known[means] = true
				name := strings.TrimSuffix(filepath.Base(change[len(change)-1]), ".yml")
				count[name]++
				file := fmt.Sprintf("testdata/earlier/%s-%d.yml", name, count[name])
				require.NoError(t, os.WriteFile(file, text, 0o600))
			}
		}
	}
}

// withoutComments is a document's structure and texts.
func withoutComments(t *testing.T, text []byte) string {
	t.Helper()
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	var write func(node *yaml.Node) string
	write = func(node *yaml.Node) string {
		written := fmt.Sprintf("%d %q", node.Kind, node.Value)
		for _, child := range node.Content {
			written += " (" + write(child) + ")"
		}
		return written
	}
	return write(&document)
}
