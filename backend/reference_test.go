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

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
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

// referenceTables returns all tables by name: "config fields", "all parameters", and "answer check" and the like.
// A column says which vendors or paths a row is for.
func referenceTables() map[string]string {
	config, parameters, answers := rows{}, rows{}, map[string]rows{}
	all := apis.All()
	for _, v := range all {
		for _, f := range v.Form.Fields {
			config.add(v.Name, fieldCells(f))
		}
		if v.Document == nil {
			continue
		}
		for _, f := range v.Document.Login {
			config.add(v.Name+" with a login", fieldCells(f))
		}
	}
	for _, path := range newBackend(all, nil, nil).Paths {
		name := strings.Replace(path.Pattern, "/"+framework.GenericNameRegex(nameField), "", 1)
		name = strings.Replace(name, "/"+framework.MatchAllRegex(nameField), "", 1)
		operation := path.Operations[logical.UpdateOperation]
		if operation == nil {
			operation = path.Operations[logical.ReadOperation]
		}
		if strings.HasPrefix(name, configPrefix) || name == "metrics$" || operation == nil { // no operation: a LIST
			continue
		}
		for parameter, schema := range path.Fields {
			if parameter != nameField {
				parameters.add("`"+name+"`", "`"+parameter+"` | "+schema.Description)
			}
		}
		verb, whose, _ := strings.Cut(name, "/")
		if whose == "" {
			whose = "`" + verb + "`"
		}
		if verb == "creds" || verb == "sign" { // one table, because much is the same
			verb, whose = "creds,sign", "`"+name+"`"
		}
		if answers[verb] == nil {
			answers[verb] = rows{}
		}
		for field, schema := range operation.Properties().Responses[200][0].Fields {
			answers[verb].add(whose, "`"+field+"` | "+schema.Description)
		}
	}
	tables := map[string]string{
		"config fields":  config.table("| parameter | default and effect | for |"),
		"all parameters": parameters.table("| parameter | effect | on |"),
	}
	for verb, answer := range answers {
		tables["answer "+verb] = answer.table("| field | | for |")
	}
	return tables
}

// fieldCells are the cells of a config's field. An asterisk marks one whose change needs the secret.
func fieldCells(f api.Field) string {
	name := "`" + f.Name + "`"
	if f.Bound && f.Kind != api.Certificates {
		name += "\\*"
		f.Bound = false
	}
	text := f.Description()
	if f.OneOf != nil {
		text += " One of `" + strings.Join(f.OneOf, "`, `") + "`."
	}
	return name + " | " + text
}

// rows are those of a table: by their first cells, the names of the last.
type rows map[string][]string

// add leaves out that times are RFC 3339: the page says it once.
func (r rows) add(name, cells string) {
	cells = strings.NewReplacer(", RFC 3339.", ".", ", RFC 3339,", ",").Replace(cells)
	r[cells] = append(r[cells], name)
}

// table is the rows below a header, sorted.
func (r rows) table(header string) string {
	every := map[string]bool{}
	for _, names := range r {
		for _, name := range names {
			every[name] = true
		}
	}
	var text strings.Builder
	text.WriteString(header + "\n|---|---|---|\n")
	for _, cells := range slices.Sorted(maps.Keys(r)) {
		names := strings.Join(slices.Sorted(slices.Values(r[cells])), ", ")
		if len(r[cells]) == len(every) && len(every) > 1 {
			names = "all"
		}
		fmt.Fprintf(&text, "| %s | %s |\n", cells, names)
	}
	return text.String()
}
