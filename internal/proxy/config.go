package proxy

import (
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config is the content of a configuration file.
type Config struct {
	// Listen is where applications call; the zero Address for nowhere.
	Listen Address
	// ForwardAuth is for gateways; nil for none.
	ForwardAuth *ForwardAuth
	// Vault is where calls are signed.
	Vault Vault
	// Routes are those that applications may call, the longest prefix first.
	Routes []*Route
	// Metrics is where /metrics, /healthz and /readyz are, as host:port; "" for nowhere.
	Metrics string
	// BodyMemory is how many bytes the bodies may take together that are read before their calls are signed.
	BodyMemory int64
}

// Address is a loopback address or a unix socket.
type Address struct {
	// TCP is an address on loopback; invalid for a unix socket.
	TCP netip.AddrPort
	// Socket is the absolute path of a unix socket; "" for TCP.
	Socket string
	// Mode is the socket's.
	Mode fs.FileMode
}

// Vault is what the file says of Vault. Where a field is "", the environment's VAULT_ADDR and its family hold.
type Vault struct {
	Address, Namespace, TokenFile, CACert, ClientCert, ClientKey, TLSServerName string
}

// Load reads a configuration file. Its errors name the file and the line.
func Load(file string) (*Config, error) {
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	return Parse(file, content)
}

// Parse is Load of a file that has been read.
func Parse(file string, content []byte) (*Config, error) {
	d := &document{file: file}
	root := d.root(content)
	fields := d.fields(root, "the configuration",
		"listen", "socket_mode", "forward_auth", "vault", "routes", "metrics", "body_memory")
	for _, name := range []string{"listen", "routes"} {
		if fields[name] == nil && (name == "routes" || fields["forward_auth"] == nil) {
			d.wrong(root, "%s is missing", name)
		}
	}
	config := &Config{
		Listen:      d.listen(fields["listen"], fields["socket_mode"]),
		ForwardAuth: d.forwardAuth(fields["forward_auth"]),
		Vault:       d.vault(fields["vault"]),
		Metrics:     d.metrics(fields["metrics"]),
		BodyMemory:  d.bodyMemory(fields["body_memory"]),
		Routes:      d.routes(fields["routes"]),
	}
	d.forGateways(config, fields["forward_auth"])
	if d.err != nil {
		return nil, d.err
	}
	return config, nil
}

// listen reads an address. Every other one than these would let other machines call.
func (d *document) listen(node, mode *yaml.Node) Address {
	if node == nil && mode == nil {
		return Address{}
	}
	text := d.text(node, "listen")
	if path, unix := strings.CutPrefix(text, "unix://"); unix {
		switch {
		case !unixSockets:
			d.wrong(node, "listen must be a loopback address with a port: Windows has no unix sockets with modes")
		case !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/":
			d.wrong(node, "listen must have the absolute path of a socket, such as unix:///run/apisig.sock")
		}
		return Address{Socket: path, Mode: d.mode(mode)}
	}
	if mode != nil {
		d.wrong(mode, "socket_mode is for a unix socket, and listen is none")
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || !address.Addr().IsLoopback() || address.Addr().Zone() != "" || address.Addr().Is4In6() {
		d.wrong(node, "listen must be a loopback address with a port, such as 127.0.0.1:8410, "+
			"or a unix socket, such as unix:///run/apisig.sock")
	}
	return Address{TCP: address}
}

// forwardAuth reads where a gateway asks, and what kind of gateway.
func (d *document) forwardAuth(node *yaml.Node) *ForwardAuth {
	if node == nil {
		return nil
	}
	fields := d.fields(node, "forward_auth", "listen", "socket_mode", "gateway")
	for _, name := range []string{"listen", "gateway"} {
		if fields[name] == nil {
			d.wrong(node, "forward_auth must have listen and gateway")
		}
	}
	gateway := Gateway(d.text(fields["gateway"], "gateway"))
	if !slices.Contains(gateways, gateway) {
		d.wrong(fields["gateway"], "gateway must be nginx, traefik, caddy or envoy")
	}
	return &ForwardAuth{d.listen(fields["listen"], fields["socket_mode"]), gateway}
}

// forGateways checks what a gateway needs of the rest of a configuration.
func (d *document) forGateways(config *Config, node *yaml.Node) {
	if node == nil || d.err != nil {
		return
	}
	if config.ForwardAuth.Listen.TCP == config.Listen.TCP && config.ForwardAuth.Listen.Socket == config.Listen.Socket {
		d.wrong(node, "listen and forward_auth must listen on different addresses")
	}
	for i, below := range config.Routes {
		// Envoy's request has the client's path behind that of the route, so a client could choose the other one.
		above, _ := find(config.Routes[i+1:], below.Prefix)
		if above != nil && config.ForwardAuth.Gateway == envoy {
			d.wrong(node, "with envoy, no route can be below another, as %s is below %s: a client could choose which",
				below.Name(), above.Name())
		}
	}
}

// mode reads the permissions of a socket: who may connect needs to write, and nothing executes.
func (d *document) mode(node *yaml.Node) fs.FileMode {
	if node == nil {
		return 0o600
	}
	mode, err := strconv.ParseUint(d.text(node, "socket_mode"), 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		d.wrong(node, `socket_mode must be octal, with read and write for the owner, such as "0600" or "0660"`)
	}
	return fs.FileMode(mode)
}

func (d *document) vault(node *yaml.Node) Vault {
	if node == nil {
		return Vault{}
	}
	fields := d.fields(node, "vault",
		"address", "namespace", "token_file", "ca_cert", "client_cert", "client_key", "tls_server_name")
	text := func(name string) string { return d.text(fields[name], name) }
	vault := Vault{
		Address:       text("address"),
		Namespace:     text("namespace"),
		TokenFile:     text("token_file"),
		CACert:        text("ca_cert"),
		ClientCert:    text("client_cert"),
		ClientKey:     text("client_key"),
		TLSServerName: text("tls_server_name"),
	}
	if address := fields["address"]; address != nil {
		parsed, err := url.Parse(vault.Address)
		if err != nil || parsed.Host+parsed.Path == "" || parsed.User != nil ||
			!slices.Contains([]string{"https", "http", "unix"}, parsed.Scheme) {
			d.wrong(address, "address must be a URL, such as https://vault.example.com:8200")
		}
	}
	if (vault.ClientCert == "") != (vault.ClientKey == "") {
		d.wrong(node, "client_cert and client_key must be set together")
	}
	return vault
}

func (d *document) metrics(node *yaml.Node) string {
	if node == nil {
		return ""
	}
	text := d.text(node, "metrics")
	_, port, err := net.SplitHostPort(text)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || strconv.FormatUint(number, 10) != port {
		d.wrong(node, "metrics must be an address with a port, such as 127.0.0.1:9410")
	}
	return text
}

const defaultBodyMemory = 64 << 20

var bodyMemoryForm = regexp.MustCompile(`^([1-9]\d{0,5})(MiB|GiB)$`)

// bodyMemory reads a size. Less than the longest body would refuse that one always, with an answer that says to try
// again.
func (d *document) bodyMemory(node *yaml.Node) int64 {
	if node == nil {
		return defaultBodyMemory
	}
	var size int64
	if found := bodyMemoryForm.FindStringSubmatch(d.text(node, "body_memory")); found != nil {
		size, _ = strconv.ParseInt(found[1], 10, 64) // digits, few enough
		size <<= map[string]int{"MiB": 20, "GiB": 30}[found[2]]
	}
	if size < maxBuffered {
		d.wrong(node, "body_memory must be at least 10MiB, such as 64MiB or 1GiB")
	}
	return size
}
