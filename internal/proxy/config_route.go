package proxy

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

func (d *document) routes(node *yaml.Node) []*Route {
	var routes []*Route
	for _, p := range d.pairs(node, "routes") {
		routes = append(routes, d.route(p.key, p.value))
	}
	if len(routes) == 0 {
		d.wrong(node, "routes must have at least one")
	}
	slices.SortFunc(routes, func(a, b *Route) int { return cmp.Compare(len(b.Prefix), len(a.Prefix)) })
	return routes
}

var (
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
	signForm   = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/sign/[\w-]+/\w([\w.-]*\w)?(/batch)?$`)
	credsForm  = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/creds/[\w-]+/\w([\w.-]*\w)?$`)
)

func (d *document) route(key, node *yaml.Node) *Route {
	what := "route " + key.Value
	route := &Route{Prefix: d.prefix(key, what)}
	fields := d.fields(node, what, "sign", "creds", "allow", "send", "scopes", "queries", "paths")
	route.QueriesAsSent = d.chosen(fields["queries"], "queries", "as-sent")
	route.EncodedSlashes = d.chosen(fields["paths"], "paths", "encoded-slashes")
	if (fields["sign"] == nil) == (fields["creds"] == nil) {
		d.wrong(key, "%s must have one of sign and creds", what)
	}
	route.Path = d.enginePath(fields)
	route.kind, route.vendor = signing.KindOf(route.Path)
	if fault := route.cannotSign(); fault != "" {
		d.wrong(fields["sign"], "%s", fault)
	}
	route.Send = d.send(route, fields["send"])
	route.Scopes = d.text(fields["scopes"], "scopes")
	if strings.ContainsFunc(route.Scopes, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.wrong(fields["scopes"], "scopes must be printable ASCII without spaces")
	}
	if fields["allow"] == nil {
		d.wrong(key, "%s has no allow: nothing would pass", what)
	}
	route.allow = newAllowList(route.EncodedSlashes)
	for _, item := range d.list(fields["allow"], "allow") {
		if err := route.allow.add(d.text(item, "a pattern of allow")); err != nil {
			d.wrong(item, "%v", err)
		}
	}
	return route
}

func (d *document) prefix(key *yaml.Node, what string) string {
	isDots := func(segment string) bool { return segment == "." || segment == ".." }
	if key.Value != "/" &&
		(!prefixForm.MatchString(key.Value) || slices.ContainsFunc(strings.Split(key.Value, "/"), isDots)) {
		d.wrong(key, "%s must begin with / and not end in it, without escapes, . and ..", what)
	}
	return strings.TrimSuffix(key.Value, "/")
}

// enginePath reads the path of the engine that signs.
func (d *document) enginePath(fields map[string]*yaml.Node) string {
	kind, form, shape := "creds", credsForm, "<mount>/creds/<vendor>/<name>"
	if fields["sign"] != nil {
		kind, form, shape = "sign", signForm, "<mount>/sign/<vendor>/<name>, or that and /batch"
	}
	path := d.text(fields[kind], kind)
	if strings.HasPrefix(strings.TrimPrefix(path, "/"), "v1/") {
		d.wrong(fields[kind], "%s must be without v1/, as the vault command takes it: %s", kind, shape)
	}
	if !form.MatchString(path) || strings.Contains(path, "..") || slices.Contains(strings.Split(path, "/"), ".") {
		d.wrong(fields[kind], "%s must be a path of the engine: %s", kind, shape)
	}
	return path
}

// sendable are what send can have.
var sendable = []string{
	signing.Method, signing.RequestString, signing.Body, signing.ContentType, signing.BodySHA256,
}

func (d *document) send(route *Route, node *yaml.Node) []string {
	switch {
	case route.kind == signing.Creds && node != nil:
		d.wrong(node, "send is for sign: a creds path takes no parameters")
		return nil
	case route.kind == signing.Creds:
		return nil
	case node == nil:
		return []string{signing.RequestString}
	}
	var names []string
	for _, item := range d.list(node, "send") {
		name := d.text(item, "an item of send")
		if !slices.Contains(sendable, name) {
			d.wrong(item, "send has %q: it can have %s", name, strings.Join(sendable, ", "))
		}
		if slices.Contains(names, name) {
			d.wrong(item, "send has %s twice", name)
		}
		names = append(names, name)
	}
	if route.requestStringAlone() && len(names) > 1 {
		d.wrong(node, "send can only have request_string: %s takes no other parameter", route.Path)
	}
	if !slices.Contains(names, signing.RequestString) {
		d.wrong(node, "send must have request_string: without it, the signature is not for the path that is called")
	}
	return names
}
