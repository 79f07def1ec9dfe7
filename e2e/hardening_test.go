package e2e

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// makeCopy runs make build in a copy of the sources, under a folder of a given name, and returns where the binaries
// are.
func makeCopy(t *testing.T, name string) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.MkdirAll(directory, 0o700))
	sources := []string{
		"-R", "../go.mod", "../go.sum", "../Makefile", "../cmd", "../backend", "../client", "../internal", "../schemes",
	}
	harness.Run(t, harness.Command("cp", append(sources, directory)...))
	// One copy is in a git repository, like a clone, and one is not, like an unpacked archive. The build is the same.
	if name == "a" {
		for _, args := range [][]string{
			{"init", "-q"},
			{"add", "."},
			{"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "a"},
		} {
			harness.Run(t, harness.Command("git", append([]string{"-C", directory}, args...)...))
		}
	}
	harness.Run(t, harness.Command("make", "-C", directory, "build"))
	return filepath.Join(directory, "bin")
}

// machinePaths are the folders that would tell on whose machine a binary was built.
func machinePaths(t *testing.T) []string {
	t.Helper()
	repository, err := filepath.Abs("..")
	require.NoError(t, err)
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	printed, err := harness.Command("go", "env", "GOPATH", "GOMODCACHE", "GOCACHE", "GOROOT").Output()
	require.NoError(t, err)
	paths := append(strings.Fields(string(printed)), repository, home)
	require.Len(t, paths, 6)
	return paths
}

// Builds of the same sources in different folders have the same bytes, which contain no path of the machine. The
// binaries are static, so they run on every node and in any image.
func TestBuildIsReproducibleAndStatic(t *testing.T) {
	t.Parallel()
	one, other := makeCopy(t, "a"), makeCopy(t, "another/and-deeper")
	paths := append(machinePaths(t), filepath.Dir(one), filepath.Dir(other))
	for _, name := range []string{filepath.Join("plugins", harness.PluginName), "apisig-sandbox", "apisig-proxy"} {
		t.Run(name+" is reproducible", func(t *testing.T) {
			t.Parallel()
			binary, err := os.ReadFile(filepath.Join(one, name))
			require.NoError(t, err)
			again, err := os.ReadFile(filepath.Join(other, name))
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(binary), sha256.Sum256(again))
			// A path of Vault's API that ends like a home folder, /root, in a container.
			text := strings.ReplaceAll(string(binary), "/pki/root/", "")
			for _, path := range paths {
				if strings.Contains(text, path+string(filepath.Separator)) {
					t.Error("it holds", path)
				}
			}
		})
		t.Run(name+" is static", func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS != "linux" {
				t.Skip("what is built here is no ELF file")
			}
			file, err := elf.Open(filepath.Join(one, name))
			require.NoError(t, err)
			defer file.Close()
			for _, segment := range file.Progs {
				require.NotEqual(t, elf.PT_INTERP, segment.Type, "it asks for a dynamic linker")
			}
			libraries, err := file.ImportedLibraries()
			require.NoError(t, err)
			require.Empty(t, libraries)
		})
	}
}

// networkSockets returns the local addresses of a process's sockets, except unix sockets, as they stand in /proc, and
// the number of its sockets of any kind. The process is given as its folder under /proc.
func networkSockets(t *testing.T, process string) (addresses []string, all int) {
	t.Helper()
	links, err := filepath.Glob(filepath.Join(process, "fd", "*"))
	require.NoError(t, err)
	inodes := map[string]bool{}
	for _, link := range links {
		target, _ := os.Readlink(link) // it may have been closed
		if inode, is := strings.CutPrefix(target, "socket:["); is {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, protocol := range []string{"tcp", "tcp6", "udp", "udp6"} {
		table, err := os.ReadFile(filepath.Join(process, "net", protocol))
		if os.IsNotExist(err) && strings.HasSuffix(protocol, "6") {
			continue // a kernel without IPv6
		}
		require.NoError(t, err)
		for line := range strings.Lines(string(table)) {
			if columns := strings.Fields(line); len(columns) > 9 && inodes[columns[9]] {
				addresses = append(addresses, protocol+" "+columns[1])
			}
		}
	}
	return addresses, len(inodes)
}

// startSandbox builds the sandbox and starts it on loopback, and returns its folder under /proc and its port.
func startSandbox(t *testing.T) (process, port string) {
	t.Helper()
	run := harness.Command(buildSandbox(t), "-listen", "127.0.0.1:0")
	line := harness.FirstLine(t, run)
	port, is := strings.CutPrefix(strings.TrimSpace(line), "listening on http://127.0.0.1:")
	require.True(t, is, line)
	return filepath.Join("/proc", strconv.Itoa(run.Process.Pid)), port
}

func buildSandbox(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "apisig-sandbox")
	harness.Run(t, harness.GoBuild(binary, "./cmd/apisig-sandbox"))
	return binary
}

// The plugin has no network socket once its handshake is done: it talks to Vault over a unix socket. The same search
// finds the sandbox's, which does listen.
func TestPluginOpensNoNetworkSocket(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/net/tcp"); err != nil {
		t.Skip("this system has no /proc to look at sockets in")
	}
	m := harness.Start(t).MountApisig(t)
	m.Write("config/pave/main", m.PaveValues())
	m.Write("config/avanan/us", m.AvananValues())
	m.Read("creds/pave/main")
	m.Read("creds/avanan/us")
	processes := harness.PluginProcesses(m.Server)
	require.Len(t, processes, 1)
	addresses, all := networkSockets(t, processes[0])
	require.Positive(t, all, "sockets can be seen in /proc")
	require.Empty(t, addresses)

	process, _ := startSandbox(t)
	addresses, _ = networkSockets(t, process)
	require.Len(t, addresses, 1)
}

// ownAddresses are the machine's addresses, except the sandbox's, at which a server can be reached.
func ownAddresses(t *testing.T) []string {
	t.Helper()
	found, err := net.InterfaceAddrs()
	require.NoError(t, err)
	own := []string{"127.0.0.2"}
	for _, address := range found {
		network, is := address.(*net.IPNet)
		require.True(t, is)
		own = append(own, network.IP.String())
	}
	var reachable []string
	for _, address := range own {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil || address == "127.0.0.1" {
			continue
		}
		if connection, err := net.Dial("tcp", listener.Addr().String()); err == nil {
			_ = connection.Close()
			reachable = append(reachable, address)
		}
		_ = listener.Close()
	}
	return reachable
}

// The sandbox has credentials and answers anyone, so it listens on loopback only. It rejects any other address, and
// when it listens on 127.0.0.1 it cannot be reached at any other address.
func TestSandboxListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	hostName, err := os.Hostname()
	require.NoError(t, err)
	refused := []string{"0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0", net.JoinHostPort(hostName, "0")}
	own := ownAddresses(t)
	for _, address := range own {
		if !net.ParseIP(address).IsLoopback() {
			refused = append(refused, net.JoinHostPort(address, "0"))
		}
	}
	binary := buildSandbox(t)
	for _, address := range refused {
		t.Run("refuses "+address, func(t *testing.T) {
			t.Parallel()
			// A sandbox that does listen must not make the test hang.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			printed, err := exec.CommandContext(ctx, binary, "-listen", address).CombinedOutput()
			require.Error(t, err)
			require.NotContains(t, string(printed), "listening on")
			require.Contains(t, string(printed), "-listen takes a loopback address")
		})
	}

	_, port := startSandbox(t)
	connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	require.NoError(t, err)
	require.NoError(t, connection.Close())
	if len(own) == 0 {
		t.Log("this machine can be reached at no other address")
	}
	for _, address := range own {
		t.Run("is not at "+address, func(t *testing.T) {
			t.Parallel()
			_, err := net.Dial("tcp", net.JoinHostPort(address, port))
			require.Error(t, err)
		})
	}
}
