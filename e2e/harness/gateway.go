package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Gateway is the program of a gateway, nginx or caddy: what $NGINX_BIN or $CADDY_BIN names, else the program on the
// PATH or in /usr/sbin. The test is skipped without one.
func Gateway(t *testing.T, name string) string {
	t.Helper()
	variable := strings.ToUpper(name) + "_BIN"
	for _, candidate := range []string{os.Getenv(variable), name, filepath.Join("/usr/sbin", name)} {
		if found, err := exec.LookPath(candidate); err == nil {
			return found
		}
	}
	t.Skipf("there is no %s on this machine: install Debian's package, or set %s", name, variable)
	return ""
}
