package harness

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"
)

// Server is a Vault process. It logs at trace level and keeps an audit log, unless it is quiet.
type Server struct {
	Binary, Address string
	Kind            Kind
	Client          *api.Client // of the operator
	directory       string
	quiet           bool
	environment     []string  // of the process, beside the tests' own
	maxRequestSize  int       // of a listener of its own, which Address is then; 0: none
	answers         *recorder // every answer of its API
	process         *os.Process
	ended           <-chan struct{} // is closed when the process has ended
	stop            func()
	hung            bool // whether it had to be killed
}

// RootToken is the operator's token of a Vault in dev mode.
const RootToken = "root-of-e2e"

// Start starts a Vault in dev mode for one test. It knows no plugin yet.
func Start(t *testing.T) *Server {
	t.Helper()
	return startFor(t, &Server{})
}

// StartQuiet starts a Vault in dev mode for a test that puts load on it: it logs errors only, and keeps no audit log.
// Its process has the given variables in its environment.
func StartQuiet(t *testing.T, environment ...string) *Server {
	t.Helper()
	return startFor(t, &Server{quiet: true, environment: environment})
}

// StartLimited starts a quiet Vault whose listener has a max_request_size, in bytes.
func StartLimited(t *testing.T, maxRequestSize int) *Server {
	t.Helper()
	return startFor(t, &Server{quiet: true, maxRequestSize: maxRequestSize})
}

func startFor(t *testing.T, v *Server) *Server {
	t.Helper()
	v.directory, v.answers = t.TempDir(), &recorder{}
	require.NoError(t, v.startDev())
	v.stopAtEnd(t)
	return v
}

// vaultProgram is the program under test and what kind it is.
type vaultProgram struct {
	path string
	kind Kind
}

var findVault = sync.OnceValues(func() (vaultProgram, error) {
	printed, err := Command(Path("scripts/vault-bin")).Output()
	if err != nil {
		return vaultProgram{}, fmt.Errorf("finding or building Vault: %w", err)
	}
	path := strings.TrimSpace(string(printed))
	version, err := Command(path, "version").Output()
	if err != nil {
		return vaultProgram{}, fmt.Errorf("%s version: %w", path, err)
	}
	kind, err := kindOf(string(version))
	return vaultProgram{path, kind}, err
})

func (v *Server) startDev() error {
	program, err := findVault()
	if err != nil {
		return err
	}
	v.Binary, v.Kind = program.path, program.kind
	if err := os.Mkdir(v.Plugins(), 0o700); err != nil {
		return err
	}
	address, err := FreeAddress()
	if err != nil {
		return err
	}
	v.Address = "http://" + address
	config := fmt.Sprintf("plugin_directory = %q\n%s", v.Plugins(), v.auditConfig(v.auditFile()))
	if v.maxRequestSize > 0 {
		limited, err := FreeAddress()
		if err != nil {
			return err
		}
		v.Address = "http://" + limited
		config += fmt.Sprintf(`
			listener "tcp" {
				address          = %q
				tls_disable      = true
				max_request_size = %d
			}`, limited, v.maxRequestSize)
	}
	if err := os.WriteFile(v.configFile(), []byte(config), 0o600); err != nil {
		return err
	}
	err = v.launch("-dev", "-dev-no-store-token", "-dev-root-token-id="+RootToken, "-dev-listen-address="+address)
	if err != nil {
		return err
	}
	if err := v.connect(RootToken); err != nil {
		v.Stop()
		return err
	}
	return nil
}

// launch starts the server's process. Its log is appended to the file that may be there already.
func (v *Server) launch(args ...string) error {
	log, err := os.OpenFile(v.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	level := "trace"
	if v.quiet {
		level = "error"
	}
	server := Command(v.Binary, append([]string{"server", "-log-level=" + level, "-config=" + v.configFile()}, args...)...)
	server.Env = append(append(os.Environ(), "HOME="+v.directory), v.environment...)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		_ = log.Close()
		return fmt.Errorf("starting Vault: %w", err)
	}
	ended := make(chan struct{})
	v.process, v.ended = server.Process, ended
	go func() {
		_ = server.Wait()
		_ = log.Close()
		close(ended)
	}()
	v.stop = sync.OnceFunc(func() {
		_ = server.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(stopsWithin):
			v.hung = true
			v.kill()
		}
	})
	return nil
}

// stopsWithin is how long a server may take to stop. A leader waits for the requests that it serves.
var stopsWithin = 2 * time.Minute

// Stop ends the process and waits until it has ended. One that hangs is killed, and the test fails.
func (v *Server) Stop() { v.stop() }

// kill ends the process with SIGKILL, and its plugin's, which would outlive it.
func (v *Server) kill() {
	orphans := PluginProcesses(v)
	_ = v.process.Kill()
	<-v.ended
	for _, orphan := range orphans {
		_ = Command("kill", "-9", filepath.Base(orphan)).Run()
	}
}

// stopAtEnd stops the server when the test ends, and searches what it leaves behind.
func (v *Server) stopAtEnd(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		v.Stop()
		require.Empty(t, v.leaks())
	})
}

// Environ is the environment of a command that uses this Vault as its operator.
func (v *Server) Environ() []string {
	token := v.Client.Token()
	return append(os.Environ(), "VAULT_ADDR="+v.Address, "VAULT_TOKEN="+token, "BAO_ADDR="+v.Address, "BAO_TOKEN="+token,
		"VAULT_MAX_RETRIES=0")
}

// Plugins is the server's plugin_directory.
func (v *Server) Plugins() string { return filepath.Join(v.directory, "plugins") }

func (v *Server) configFile() string { return filepath.Join(v.directory, "vault.hcl") }
func (v *Server) logFile() string    { return filepath.Join(v.directory, "vault.log") }
func (v *Server) auditFile() string  { return filepath.Join(v.directory, "audit.log") }
func (v *Server) data() string       { return filepath.Join(v.directory, "data") } // of raft

// NewClient is a client with a given token. It does not retry, where Vault's own would repeat a request after a 5xx.
func (v *Server) NewClient(token string) (*api.Client, error) {
	config := api.DefaultConfig()
	config.Address = v.Address
	config.MaxRetries = 0
	config.HttpClient = &http.Client{Transport: recording{v.answers, http.DefaultTransport}}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	client.ClearNamespace()
	return client, nil
}

// connect waits for the server to answer, and enables its audit log.
func (v *Server) connect(token string) (err error) {
	if v.Client, err = v.NewClient(token); err != nil {
		return err
	}
	// The mount table is there last of all.
	if err := v.poll(func() error { _, err := v.Client.Logical().Read("sys/mounts"); return err }); err != nil {
		return err
	}
	if v.quiet || v.Kind.ConfiguresAudit() {
		return nil
	}
	return v.Client.Sys().EnableAuditWithOptions("file", &api.EnableAuditOptions{
		Type: "file", Options: map[string]string{"file_path": v.auditFile(), "log_raw": "false"},
	})
}

// auditConfig is the part of the configuration that enables an audit log, for servers that want it there.
func (v *Server) auditConfig(file string) string {
	if v.quiet || !v.Kind.ConfiguresAudit() {
		return ""
	}
	return fmt.Sprintf(`
		audit "file" "file" {
			options {
				file_path = %q
				log_raw   = "false"
			}
		}`, file)
}

// poll repeats what fails while the server is not up yet.
func (v *Server) poll(try func() error) error {
	deadline := time.After(time.Minute)
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-v.ended:
			return v.failure("Vault has ended", err)
		case <-deadline:
			return v.failure("no answer from Vault within a minute", err)
		}
	}
}

// failure is an error with what the server has logged.
func (v *Server) failure(what string, err error) error {
	log, _ := os.ReadFile(v.logFile())
	return fmt.Errorf("%s: %w\n%s", what, err, log)
}
