// Package harness is what the end-to-end tests have in common: it starts Vault, the vendors' stand-ins and Vault Agent,
// builds and mounts the plugin, runs commands, and searches what all of them leave behind for secrets. Only tests
// import it.
//
// A package of tests calls Main from its TestMain. Most of its tests take a mount of the Vault that they share:
//
//	m := harness.NewMount(t)
//	m.Write("config/pave/main", m.PaveValues())
//	m.Read("creds/pave/main")
//
// The others start a Vault of their own, with the engine at apisig/:
//
//	m := harness.Start(t).MountApisig(t)
//
// Every Vault is stopped and searched at the end: the test, or Main, fails where it logged or answered a secret.
package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/backend"
)

// room is what the tests of one package share.
var room struct {
	directory string
	once      sync.Once
	server    *Server // nil until a test asks for it
	err       error
}

// Main runs the tests of a package and exits. It fails where they do, or where the Vault that they share left a secret
// behind.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if room.directory, err = os.MkdirTemp("", "apisig-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(room.directory)
	defer func() {
		if room.server != nil {
			room.server.Stop()
		}
	}()
	code := m.Run()
	if room.server == nil {
		return code
	}
	room.server.Stop()
	if leaks := room.server.leaks(); len(leaks) > 0 {
		fmt.Fprintln(os.Stderr, "e2e: Vault left behind:", strings.Join(leaks, ", "))
		return 1
	}
	return code
}

// Shared is the Vault that the tests of a package share, each with a mount of its own. The first test to ask starts it,
// with the plugin in its catalog.
func Shared(t *testing.T) *Server {
	t.Helper()
	room.once.Do(func() { room.err = startShared() })
	require.NoError(t, room.err)
	return room.server
}

func startShared() error {
	directory := filepath.Join(room.directory, "vault")
	if err := os.Mkdir(directory, 0o700); err != nil {
		return err
	}
	server := &Server{directory: directory, answers: &recorder{}}
	if err := server.startDev(); err != nil {
		return err
	}
	room.server = server
	if err := server.AddPlugin(); err != nil {
		return err
	}
	return server.Register(PluginName, PluginName, backend.Version)
}
