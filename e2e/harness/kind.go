package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Kind is which server the tests run. Its methods are what servers differ in, each said once.
type Kind struct {
	// OpenBao reports whether it is OpenBao; else it is Vault.
	OpenBao             bool
	major, minor, patch int
}

// ServerKind is the kind of the server that the tests run.
func ServerKind(t *testing.T) Kind {
	t.Helper()
	program, err := findVault()
	require.NoError(t, err)
	return program.kind
}

// Soon requires what a change at the active node makes true: at once, or within seconds where standbys serve reads.
func (v *Server) Soon(t *testing.T, holds func() bool, what string) {
	t.Helper()
	if v.Kind.StandbysServeReads() {
		Eventually(t, holds, what)
		return
	}
	require.True(t, holds(), what)
}

// kindOf reads what the server's version command prints, such as "OpenBao v2.4.0 (…)".
func kindOf(printed string) (Kind, error) {
	name, version, _ := strings.Cut(strings.TrimSpace(printed), " v")
	kind := Kind{OpenBao: name == "OpenBao"}
	_, err := fmt.Sscanf(version, "%d.%d.%d", &kind.major, &kind.minor, &kind.patch)
	if err != nil || (name != "Vault" && !kind.OpenBao) {
		return Kind{}, fmt.Errorf("%q is a version of neither Vault nor OpenBao", printed)
	}
	return kind, nil
}

func (k Kind) atLeast(version ...int) bool {
	return slices.Compare([]int{k.major, k.minor, k.patch}, version) >= 0
}

// String is the server's name and version.
func (k Kind) String() string {
	name := "Vault"
	if k.OpenBao {
		name = "OpenBao"
	}
	return fmt.Sprintf("%s %d.%d.%d", name, k.major, k.minor, k.patch)
}

// ComparesWholeValues reports whether a policy's allowed_parameters match a list only as a whole, and a string as it
// is. Vault compares each item of a list since 1.21, and trims strings and splits them at commas first.
func (k Kind) ComparesWholeValues() bool { return k.OpenBao || !k.atLeast(1, 21) }

// ConfiguresAudit reports whether audit devices stand in the configuration file, and the API enables none.
func (k Kind) ConfiguresAudit() bool { return k.OpenBao }

// StandbysServeReads reports whether standbys run the plugin and serve reads themselves, so that they can lag behind
// the active node. Vault's do in its Enterprise edition only, which the tests do not know.
func (k Kind) StandbysServeReads() bool { return k.OpenBao && k.atLeast(2, 5) }

// BatchLimit is how many request strings a batch can have, and the error for more. From 2.4.1 a listener of OpenBao
// refuses a request with more than 1,000 JSON strings (max_request_json_strings), of which the parameter's name is one.
func (k Kind) BatchLimit() (most int, refusal string) {
	if k.OpenBao && k.atLeast(2, 4, 1) {
		return 999, "exceeded maximum number of strings"
	}
	return 1000, "more than 1000"
}

// HasNamespaces reports whether there are namespaces. Vault has them in its Enterprise edition only.
func (k Kind) HasNamespaces() bool { return k.OpenBao && k.atLeast(2, 3) }
