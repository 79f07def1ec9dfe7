// Package schemes_test holds the schemes of this folder against their own examples, against examples.py and against README.md.
package schemes_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// schemes are the texts of all schemes by their names.
func schemes(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.yml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 20)
	texts := make(map[string]string, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[strings.TrimSuffix(file, ".yml")] = string(text)
	}
	return texts
}

func parse(t *testing.T, text string) *scheme.Scheme {
	t.Helper()
	s, err := scheme.Parse(text)
	require.NoError(t, err)
	return s
}

func TestExamplesAreReproduced(t *testing.T) {
	t.Parallel()
	for api, text := range schemes(t) {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, parse(t, text).CheckExamples())
		})
	}
}

// Examples that hold whatever the secret is would prove nothing.
func TestExamplesDependOnEverySecret(t *testing.T) {
	t.Parallel()
	for api, text := range schemes(t) {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			for _, name := range parse(t, text).Secrets() {
				var document yaml.Node
				require.NoError(t, yaml.Unmarshal([]byte(text), &document))
				for _, example := range child(document.Content[0], "examples").Content {
					secret := child(child(example, "secrets"), name)
					first := "A" // the changed secret is still base64 where it must be
					if secret.Value[0] == 'A' {
						first = "B"
					}
					secret.SetString(first + secret.Value[1:])
				}
				changed, err := yaml.Marshal(&document)
				require.NoError(t, err)
				require.ErrorContains(t, parse(t, string(changed)).CheckExamples(), "the scheme gives", name)
			}
		})
	}
}

// child is the value of a key in a mapping.
func child(node *yaml.Node, key string) *yaml.Node {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// example is what this test needs of a scheme's example.
type example struct {
	Name string
	Want map[string]string
}

// Each example has values that Python's hmac gives too, from the API's documentation.
func TestExamplesAreComputedIndependently(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not on this machine")
	}
	output, err := exec.CommandContext(t.Context(), "python3", "examples.py", "--json").Output()
	require.NoError(t, err)
	var computed map[string]map[string]map[string]string // by scheme, example, header
	require.NoError(t, json.Unmarshal(output, &computed))
	for name, text := range schemes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var document struct{ Examples []example }
			require.NoError(t, yaml.Unmarshal([]byte(text), &document))
			require.Len(t, document.Examples, len(computed[name]), "examples of examples.py that are not in the scheme, or the reverse")
			for _, example := range document.Examples {
				require.NotEmpty(t, computed[name][example.Name], example.Name)
				require.Subset(t, example.Want, computed[name][example.Name], example.Name)
			}
		})
	}
}

// The comment at the top is the documentation of a scheme: its page, commands that name each secret and field, and its limits.
func TestCommentsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for name, text := range schemes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			comment, _, _ := strings.Cut(text, "\nsecrets:")
			require.Regexp(t, `(?m)^# https://`, comment)
			require.Contains(t, comment, "# Not covered:")
			require.Contains(t, comment, "scheme=@schemes/"+name+".yml")
			s := parse(t, text)
			if len(s.Request()) == 0 {
				require.Contains(t, comment, "vault read -field=header_lines apisig/creds/custom/")
			} else {
				require.Regexp(t, "vault write .*apisig/sign/custom/", comment)
			}
			given := append(s.Secrets(), "base_url")
			for _, field := range s.Fields() {
				if _, optional := s.Default(field); !optional {
					given = append(given, field)
				}
			}
			for _, parameter := range given {
				require.Contains(t, comment, " "+parameter+"=")
			}
		})
	}
}

var row = regexp.MustCompile("(?m)^\\| \\[`([a-z0-9-]+)\\.yml`\\]\\(([a-z0-9-]+)\\.yml\\) \\|.*$")

func TestReadmeListsEverySchemeAndItsNames(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	rows := map[string]string{}
	for _, found := range row.FindAllStringSubmatch(string(readme), -1) {
		require.Equal(t, found[1], found[2])
		rows[found[1]] = found[0]
	}
	require.Len(t, rows, len(schemes(t)))
	for name, text := range schemes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, text)
			cells := strings.Split(rows[name], " | ")
			require.Greater(t, len(cells), 5, "no row")
			for i, names := range [][]string{s.Secrets(), s.Fields(), s.Request()} {
				if len(names) == 0 {
					names = []string{"none"}
				}
				require.Equal(t, strings.Join(names, ", "), strings.NewReplacer("`", "", "[", "", "]", "").Replace(cells[2+i]))
			}
		})
	}
}
