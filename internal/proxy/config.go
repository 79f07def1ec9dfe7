package proxy

import (
	"cmp"
	"fmt"
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

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// Config is the content of a configuration file.
type Config struct {
	// Listen is where applications call.
	Listen Address
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
	d := document{file}
	root, err := d.root(content)
	if err != nil {
		return nil, err
	}
	fields, err := d.fields(root, "the configuration",
		"listen", "socket_mode", "vault", "routes", "metrics", "body_memory")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"listen", "routes"} {
		if fields[name] == nil {
			return nil, d.errorf(root.Line, "%s is missing", name)
		}
	}
	config := &Config{BodyMemory: defaultBodyMemory}
	if config.Listen, err = d.listen(fields["listen"], fields["socket_mode"]); err != nil {
		return nil, err
	}
	if node := fields["vault"]; node != nil {
		if config.Vault, err = d.vault(node); err != nil {
			return nil, err
		}
	}
	if node := fields["metrics"]; node != nil {
		if config.Metrics, err = d.metrics(node); err != nil {
			return nil, err
		}
	}
	if node := fields["body_memory"]; node != nil {
		if config.BodyMemory, err = d.bodyMemory(node); err != nil {
			return nil, err
		}
	}
	config.Routes, err = d.routes(fields["routes"])
	return config, err
}

// listen reads an address. Every other one than these would let other machines call.
func (d document) listen(node, mode *yaml.Node) (Address, error) {
	text, err := d.text(node, "listen")
	if err != nil {
		return Address{}, err
	}
	if path, unix := strings.CutPrefix(text, "unix://"); unix {
		if !unixSockets {
			return Address{}, d.errorf(node.Line,
				"listen must be a loopback address with a port: Windows has no unix sockets with modes")
		}
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" {
			return Address{}, d.errorf(node.Line,
				"listen must have the absolute path of a socket, such as unix:///run/apisig.sock")
		}
		address := Address{Socket: path, Mode: 0o600}
		if mode != nil {
			if address.Mode, err = d.mode(mode); err != nil {
				return Address{}, err
			}
		}
		return address, nil
	}
	if mode != nil {
		return Address{}, d.errorf(mode.Line, "socket_mode is for a unix socket, and listen is none")
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || !address.Addr().IsLoopback() || address.Addr().Zone() != "" || address.Addr().Is4In6() {
		return Address{}, d.errorf(node.Line,
			"listen must be a loopback address with a port, such as 127.0.0.1:8410, "+
				"or a unix socket, such as unix:///run/apisig.sock")
	}
	return Address{TCP: address}, nil
}

// mode reads the permissions of a socket: who may connect needs to write, and nothing executes.
func (d document) mode(node *yaml.Node) (fs.FileMode, error) {
	text, err := d.text(node, "socket_mode")
	if err != nil {
		return 0, err
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		return 0, d.errorf(node.Line,
			`socket_mode must be octal, with read and write for the owner, such as "0600" or "0660"`)
	}
	return fs.FileMode(mode), nil
}

func (d document) vault(node *yaml.Node) (Vault, error) {
	var vault Vault
	targets := map[string]*string{
		"address": &vault.Address, "namespace": &vault.Namespace, "token_file": &vault.TokenFile, "ca_cert": &vault.CACert,
		"client_cert": &vault.ClientCert, "client_key": &vault.ClientKey, "tls_server_name": &vault.TLSServerName,
	}
	fields, err := d.fields(node, "vault",
		"address", "namespace", "token_file", "ca_cert", "client_cert", "client_key", "tls_server_name")
	if err != nil {
		return vault, err
	}
	for name, value := range fields {
		if *targets[name], err = d.text(value, name); err != nil {
			return vault, err
		}
	}
	if address := fields["address"]; address != nil {
		parsed, err := url.Parse(vault.Address)
		if err != nil || parsed.Host+parsed.Path == "" || parsed.User != nil ||
			!slices.Contains([]string{"https", "http", "unix"}, parsed.Scheme) {
			return vault, d.errorf(address.Line, "address must be a URL, such as https://vault.example.com:8200")
		}
	}
	if (vault.ClientCert == "") != (vault.ClientKey == "") {
		return vault, d.errorf(node.Line, "client_cert and client_key must be set together")
	}
	return vault, nil
}

func (d document) metrics(node *yaml.Node) (string, error) {
	text, err := d.text(node, "metrics")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(text)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || strconv.FormatUint(number, 10) != port {
		return "", d.errorf(node.Line, "metrics must be an address with a port, such as 127.0.0.1:9410")
	}
	return text, nil
}

const defaultBodyMemory = 64 << 20

var bodyMemoryForm = regexp.MustCompile(`^([1-9]\d{0,5})(MiB|GiB)$`)

// bodyMemory reads a size. Less than the longest body would refuse that one always, with an answer that says to try
// again.
func (d document) bodyMemory(node *yaml.Node) (int64, error) {
	text, err := d.text(node, "body_memory")
	if err != nil {
		return 0, err
	}
	var size int64
	if found := bodyMemoryForm.FindStringSubmatch(text); found != nil {
		size, _ = strconv.ParseInt(found[1], 10, 64) // digits, few enough
		size <<= map[string]int{"MiB": 20, "GiB": 30}[found[2]]
	}
	if size < maxBuffered {
		return 0, d.errorf(node.Line, "body_memory must be at least 10MiB, such as 64MiB or 1GiB")
	}
	return size, nil
}

func (d document) routes(node *yaml.Node) ([]*Route, error) {
	pairs, err := d.pairs(node, "routes")
	if err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, d.errorf(node.Line, "routes must have at least one")
	}
	var routes []*Route
	for _, p := range pairs {
		route, err := d.route(p.key, p.value)
		if err != nil {
			return nil, err
		}
		routes = append(routes, route)
	}
	slices.SortFunc(routes, func(a, b *Route) int { return cmp.Compare(len(b.Prefix), len(a.Prefix)) })
	return routes, nil
}

var (
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	signForm   = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/sign/[\w-]+/\w([\w.-]*\w)?(/batch)?$`)
	credsForm  = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/creds/[\w-]+/\w([\w.-]*\w)?$`)
)

func (d document) route(key, node *yaml.Node) (*Route, error) {
	what := fmt.Sprintf("route %s", key.Value)
	route := &Route{Prefix: key.Value}
	switch {
	case key.Value == "/":
		route.Prefix = ""
	case !prefixForm.MatchString(key.Value) || slices.ContainsFunc(strings.Split(key.Value, "/"), isDots):
		return nil, d.errorf(key.Line, "%s must begin with / and not end in it, without escapes, . and ..", what)
	}
	fields, err := d.fields(node, what, "sign", "creds", "allow", "send", "scopes", "queries", "paths")
	if err != nil {
		return nil, err
	}
	if (fields["sign"] == nil) == (fields["creds"] == nil) {
		return nil, d.errorf(key.Line, "%s must have one of sign and creds", what)
	}
	kind, form, shape := "creds", credsForm, "<mount>/creds/<vendor>/<name>"
	if fields["sign"] != nil {
		kind, form, shape = "sign", signForm, "<mount>/sign/<vendor>/<name>, or that and /batch"
	}
	if route.Path, err = d.text(fields[kind], kind); err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.TrimPrefix(route.Path, "/"), "v1/") {
		return nil, d.errorf(fields[kind].Line, "%s must be without v1/, as the vault command takes it: %s", kind, shape)
	}
	if !form.MatchString(route.Path) || strings.Contains(route.Path, "..") ||
		slices.Contains(strings.Split(route.Path, "/"), ".") {
		return nil, d.errorf(fields[kind].Line, "%s must be a path of the engine: %s", kind, shape)
	}
	route.kind, route.vendor = signing.KindOf(route.Path)
	if route.QueriesAsSent, err = d.chosen(fields["queries"], "queries", "as-sent"); err != nil {
		return nil, err
	}
	if route.EncodedSlashes, err = d.chosen(fields["paths"], "paths", "encoded-slashes"); err != nil {
		return nil, err
	}
	if fault := route.cannotSign(); fault != "" {
		return nil, d.errorf(fields[kind].Line, "%s", fault)
	}
	if route.Send, err = d.send(route, fields["send"]); err != nil {
		return nil, err
	}
	if node := fields["scopes"]; node != nil {
		if route.Scopes, err = d.text(node, "scopes"); err != nil {
			return nil, err
		}
		if strings.ContainsFunc(route.Scopes, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, d.errorf(node.Line, "scopes must be printable ASCII without spaces")
		}
	}
	if fields["allow"] == nil {
		return nil, d.errorf(key.Line, "%s has no allow: nothing would pass", what)
	}
	route.allow, err = d.allow(fields["allow"], route.EncodedSlashes)
	return route, err
}

func isDots(segment string) bool { return segment == "." || segment == ".." }

func (d document) send(route *Route, node *yaml.Node) ([]string, error) {
	switch {
	case node == nil && route.kind == signing.Creds:
		return nil, nil
	case node == nil:
		return []string{signing.RequestString}, nil
	case route.kind == signing.Creds:
		return nil, d.errorf(node.Line, "send is for sign: a creds path takes no parameters")
	}
	items, err := d.list(node, "send")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range items {
		name, err := d.text(item, "an item of send")
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{signing.Method, signing.RequestString, signing.BodySHA256}, name) {
			return nil, d.errorf(item.Line, "send has %q: it can have method, request_string and body_sha256", name)
		}
		if slices.Contains(names, name) {
			return nil, d.errorf(item.Line, "send has %s twice", name)
		}
		names = append(names, name)
	}
	if route.requestStringAlone() && len(names) > 1 {
		return nil, d.errorf(node.Line, "send can only have request_string: %s takes no other parameter", route.Path)
	}
	if !slices.Contains(names, signing.RequestString) {
		return nil, d.errorf(node.Line,
			"send must have request_string: without it, the signature is not for the path that is called")
	}
	return names, nil
}

func (d document) allow(node *yaml.Node, encodedSlashes bool) (*allowList, error) {
	items, err := d.list(node, "allow")
	if err != nil {
		return nil, err
	}
	list := newAllowList(encodedSlashes)
	for _, item := range items {
		text, err := d.text(item, "a pattern of allow")
		if err != nil {
			return nil, err
		}
		if err := list.add(text); err != nil {
			return nil, d.errorf(item.Line, "%v", err)
		}
	}
	return list, nil
}
