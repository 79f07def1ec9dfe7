package backend

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of docs/reference.md instead of comparing them")

const referenceFile = "../docs/reference.md"

// A table in docs/reference.md is between two comments. The first one names the table.
var table = regexp.MustCompile(`(?s)<!-- table: ([^ ]+ [^ ]+) -->\n.*?<!-- end of table -->`)

// The tables of docs/reference.md match the declarations in the code. To write them again:
//
//	go test ./backend -run TestReferenceTables -update
func TestReferenceTables(t *testing.T) {
	t.Parallel()
	want := referenceTables()
	content, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	seen := map[string]bool{}
	generated := table.ReplaceAllStringFunc(string(content), func(found string) string {
		name := table.FindStringSubmatch(found)[1]
		seen[name] = true
		require.Contains(t, want, name)
		return "<!-- table: " + name + " -->\n" + want[name] + "<!-- end of table -->"
	})
	var missing []string
	for name := range want {
		if !seen[name] {
			missing = append(missing, "<!-- table: "+name+" -->")
		}
	}
	slices.Sort(missing)
	require.Empty(t, missing, "docs/reference.md needs a line for each of these, and then <!-- end of table -->")
	if *update {
		require.NoError(t, os.WriteFile(referenceFile, []byte(generated), 0o600))
		return
	}
	require.Equal(t, generated, string(content), "docs/reference.md does not match the code; run this test with -update")
}

// referenceTables returns all tables by name: "config <vendor>", "parameters <path>" or "answer <path>".
func referenceTables() map[string]string {
	tables := map[string]string{}
	all := vendors()
	for _, v := range all {
		tables["config "+v.name] = configTable(v)
	}
	for _, path := range newBackend(all, nil, nil).Paths {
		name := strings.ReplaceAll(path.Pattern, framework.GenericNameRegex(nameField), ":name")
		operation := path.Operations[logical.UpdateOperation]
		if operation == nil {
			operation = path.Operations[logical.ReadOperation]
		}
		if strings.HasPrefix(name, configPrefix) || name == "metrics$" || operation == nil { // no operation: a LIST
			continue
		}
		tables["answer "+name] = answerTable(operation)
		if len(path.Fields) > 1 {
			tables["parameters "+name] = parameterTable(path)
		}
	}
	return tables
}

func configTable(v *vendor) string {
	var rows strings.Builder
	rows.WriteString("| parameter | default | |\n|---|---|---|\n")
	for _, f := range v.fields {
		fallback := f.fallbackText()
		switch {
		case f.learned:
			fallback = "only read"
		case f.required:
			fallback = "required"
		case fallback != "":
			fallback = "`" + fallback + "`"
		}
		description := f
		description.fallback, description.required = nil, false
		text := description.description()
		if f.oneOf != nil {
			text += " One of `" + strings.Join(f.oneOf, "`, `") + "`."
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", f.name, fallback, text)
	}
	return rows.String()
}

func parameterTable(path *framework.Path) string {
	var rows strings.Builder
	rows.WriteString("| parameter | |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(path.Fields)) {
		if name != nameField {
			fmt.Fprintf(&rows, "| `%s` | %s |\n", name, path.Fields[name].Description)
		}
	}
	return rows.String()
}

func answerTable(operation framework.OperationHandler) string {
	var rows strings.Builder
	rows.WriteString("| field | |\n|---|---|\n")
	fields := operation.Properties().Responses[200][0].Fields
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", name, fields[name].Description)
	}
	return rows.String()
}
