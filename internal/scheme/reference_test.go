package scheme

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the table of docs/schemes.md instead of comparing it")

const referenceFile = "../../docs/schemes.md"

// The table of functions in docs/schemes.md is made of the functions. To write it again:
//
//	go test ./internal/scheme -run TestReference -update
func TestReference(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	table := regexp.MustCompile(`(?s)<!-- table: functions -->\n.*?<!-- end of table -->`)
	require.Len(t, table.FindAll(content, -1), 1)
	generated := table.ReplaceAllLiteralString(string(content),
		"<!-- table: functions -->\n"+functionTable()+"<!-- end of table -->")
	if *update {
		require.NoError(t, os.WriteFile(referenceFile, []byte(generated), 0o600))
		return
	}
	require.Equal(t, generated, string(content), "docs/schemes.md does not match the code; run this test with -update")
}

// functionTable has a row for each function, and one for those that differ in their hash only.
func functionTable() string {
	var rows strings.Builder
	rows.WriteString("| | takes, gives | |\n|---|---|---|\n")
	for _, f := range functionList {
		usage := f.usage()
		for _, hash := range []string{"sha1", "sha256", "sha384", "sha512"} {
			of, hashed := strings.CutSuffix(f.name, hash)
			if hashed && functions[of+"md5"] != nil {
				usage = ""
			}
		}
		if usage == "" {
			continue // with that of md5
		}
		usage = "`" + usage + "`"
		if strings.HasSuffix(f.name, "md5") {
			usage = strings.Replace(usage, "md5", "<hash>", 1)
		}
		var ways []string
		for _, s := range f.signatures {
			var kinds []string
			for _, k := range s.takes {
				kinds = append(kinds, k.String())
			}
			ways = append(ways, strings.Join(kinds, ", ")+" → "+s.gives.String())
		}
		rows.WriteString("| " + usage + " | " + strings.Join(ways, "; ") + " | " + f.help + " |\n")
	}
	return rows.String() + "\n`<hash>` is `md5`, `sha1`, `sha256`, `sha384` or `sha512`.\n"
}
