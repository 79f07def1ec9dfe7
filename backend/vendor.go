package backend

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"

	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// vendors lists the vendors. A new one is a line here, a file vendor_<name>.go, and a folder in internal/;
// docs/adding-a-vendor.md walks through it.
func vendors() []*vendor {
	return []*vendor{
		avananVendor(),
		paveVendor(),
		infinityVendor(),
		customVendor(),
	}
}

// vendor is what a vendor is to the engine: what is particular to it, as data and functions. The engine itself names none.
// It is not changed once it is made.
type vendor struct {
	// name is the vendor's in paths and storage keys, so it is permanent.
	name string
	// title is the vendor's in texts.
	title string
	// firstWrite is what the first write of a config must name, for errors that say what to write.
	firstWrite string
	// configHelp is the help text of config/<vendor>/:name.
	configHelp string
	// refusal is what to check when the vendor rejects the credentials of a config. It may be nil if the engine does not call it.
	refusal func(c config) string

	// fields are those of a config, in the order in which they are documented.
	fields []field
	// complete fills in fields that follow from others, in a config that is not stored yet. It may be nil.
	complete func(name string, c config)
	// check says what keeps a config from being used, beyond what the fields declare. It may be nil.
	check func(c config) error
	// format names two fields, the one that chooses a format and the one that stores what auto detected; zero if there is no choice.
	format formatFields
	// address is the base URL that a config's calls go to.
	address func(c config) string
	// owns says whether a base URL is one of the vendor's own. It may be nil if none is.
	owns func(baseURL string) bool

	// exchange does one exchange with the vendor, now: it gets a token, or tries the credentials. It is nil for a vendor that the
	// engine does not call. learned is the format that worked last, "" for none. The config has a request_timeout.
	exchange func(ctx context.Context, by exchanger, c config, learned string) (exchanged, error)
	// sendsSecret says that an exchange sends the secret itself, so that a write must not rely on a stored address for it.
	sendsSecret bool
	// tokens is for a vendor whose exchange gives a token; else nil.
	tokens *tokens
	// creds is for a vendor whose readers get credentials; else nil.
	creds *creds
	// sign is for a vendor whose calls are signed one by one; else nil.
	sign *signing
	// declares is for a vendor whose configs declare fields of their own, and what a reader gives and gets; else nil.
	declares *declares
}

// formatFields name a field that chooses one of several formats or "auto", and the one where the engine keeps what auto found.
type formatFields struct{ chosen, detected string }

// formatAuto is the value of formatFields.chosen that finds out.
const formatAuto = "auto"

// tokens is how a vendor's tokens are leased. Its config has the field min_ttl.
type tokens struct {
	// leaseType is in every lease, so it is permanent.
	leaseType string
	// lease is what a lease says, beside its type. It is permanent too.
	lease func(config string, t token.Token) map[string]any
}

// exchanger is what a vendor does its exchanges with.
type exchanger struct {
	exchange.Client
	// newID makes a UUID.
	newID func() (string, error)
	// timeout is the config's request_timeout.
	timeout time.Duration
}

// exchanged is what a successful exchange gave.
type exchanged struct {
	// token is the zero value for a vendor without tokens.
	token token.Token
	// format is the one that worked; "" if there is no choice.
	format string
	// tried says of each format that was tried what it met: "accepted" or a status; nil if that is not known.
	tried map[string]string
	// status and timing are those of the vendor's answer.
	status int
	timing exchange.Timing
}

// creds is what a vendor does for creds/<vendor>/:name.
type creds struct {
	synopsis, help string
	// fields declare the answer, except headers and header_lines.
	fields map[string]*framework.FieldSchema
	// headers says what the headers of the answer are; "" if there are none.
	headers string
	answer  func(s serving) (answer, error)
}

// signing is what a vendor does for sign/<vendor>/:name, of one call or a batch of them.
type signing struct {
	synopsis, help string
	// headers says what the headers of the answer are.
	headers string
	// check says what is wrong with a request string.
	check func(c config, requestString string) error
	// sign signs the call with a request string that was checked.
	sign func(s serving, requestString string) (answer, error)
	// size is how many bytes the headers of one call have in an answer as JSON, at most.
	size func(s serving) int
}

// serving is what a vendor answers a reader from.
type serving struct {
	now time.Time
	// growing is now, or the first instant later than all that it returned before for this config, in a unit.
	growing func(unit time.Duration) (time.Time, error)
	newID   func() (string, error)
	config  config
	// token is the shared token; the zero value for a vendor without tokens.
	token token.Token
	// prepared is what a vendor that declares made of the config.
	prepared any
}

// answer is what a vendor answers a reader.
type answer struct {
	// headers are those of a call, by name; nil for none. No value is empty.
	headers map[string]string
	// fields are the rest.
	fields map[string]any
}

// data is the answer as Vault returns it: the fields, the headers as a map, and the headers as text. The text gives consumers
// that read one field per request a consistent set of headers, and is what curl -H @- reads.
func (a answer) data() map[string]any {
	if a.fields == nil {
		a.fields = map[string]any{}
	}
	if a.headers == nil {
		return a.fields
	}
	names, size := make([]string, 0, len(a.headers)), 0
	for name, value := range a.headers {
		names = append(names, name)
		size += len(name) + len(value) + len(": \n")
	}
	slices.Sort(names)
	var lines strings.Builder
	lines.Grow(size)
	for _, name := range names {
		lines.WriteString(name)
		lines.WriteString(": ")
		lines.WriteString(a.headers[name])
		lines.WriteByte('\n')
	}
	a.fields["headers"], a.fields["header_lines"] = a.headers, lines.String()
	return a.fields
}

// headerFields declare what data adds to the fields of an answer with headers.
func headerFields(fields map[string]*framework.FieldSchema, description string) map[string]*framework.FieldSchema {
	if fields == nil {
		fields = map[string]*framework.FieldSchema{}
	}
	if description != "" {
		fields["headers"] = &framework.FieldSchema{Type: framework.TypeMap, Required: true, Description: description}
		fields["header_lines"] = &framework.FieldSchema{
			Type: framework.TypeString, Required: true,
			Description: "The same headers as text, one \"Name: value\" a line, sorted by name: what curl -H @- reads.",
		}
	}
	return fields
}

// rfc3339 is how answers write instants, except where a consumer wants more.
func rfc3339(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// readable says whether a read of the config returns a field.
func (f field) readable() bool { return !f.unstored && f.kind != secretField }

// writable are the fields among some that a write can name, with the config's name.
func writable(fields []field) map[string]*framework.FieldSchema {
	parameters := map[string]*framework.FieldSchema{nameField: nameSchema()}
	for _, f := range fields {
		if !f.learned {
			parameters[f.name] = f.schema()
		}
	}
	return parameters
}

// merge makes a config of one that is stored and what a write names. The error says what is wrong with the write, or keeps the
// result from being used.
func (v *vendor) merge(name string, old config, write parameters) (config, error) {
	begun, restarted, err := v.begin(old, write)
	if err != nil {
		return nil, err
	}
	fields := v.fieldsOf(begun)
	if write, err = write.forFields(v, fields); err != nil {
		return nil, err
	}
	next, err := begun.with(fields, write)
	if err != nil {
		return nil, err
	}
	if v.complete != nil {
		v.complete(name, next)
	}
	if err := next.checkUsable(fields); err != nil {
		if restarted && v.declares.isIn(old) {
			err = invalidf("%s; a write that changes %s starts over, so it must contain every secret and field", err,
				strings.Join(v.declares.from, " or "))
		}
		return nil, err
	}
	// Before anything that compares the stored secrets with what this write names: its answer would tell whether a guess is right.
	if err := old.checkBound(fields, next, write); err != nil {
		return nil, err
	}
	if err := v.checkUsable(next); err != nil {
		return nil, err
	}
	if v.declares != nil {
		if slices.ContainsFunc(fields, func(f field) bool { return f.account && write.given(f.name) }) {
			if err := v.declares.hidden(next); err != nil {
				return nil, err
			}
		}
		if err := v.declares.prove(next); err != nil {
			return nil, err
		}
	}
	if v.format.detected != "" {
		// What was detected belongs to the address.
		for _, name := range []string{"base_url", "region", v.format.chosen} {
			if old[name] != next[name] {
				next[v.format.detected] = ""
			}
		}
	}
	return next, nil
}

// learn keeps the format that worked in a config that leaves the choice to auto.
func (v *vendor) learn(c config, format string) {
	if v.format.chosen != "" && c.text(v.format.chosen) == formatAuto {
		c[v.format.detected] = format
	}
}

// checkUsable says what keeps a config from being used.
func (v *vendor) checkUsable(c config) error {
	if found := c.declaration(); found != nil && found.problem != nil {
		return found.problem
	}
	if err := c.checkUsable(v.fieldsOf(c)); err != nil || v.check == nil {
		return err
	}
	return v.check(c)
}

// isOwn says whether a base URL is one of the vendor's own.
func (v *vendor) isOwn(baseURL string) bool { return v.owns != nil && v.owns(baseURL) }

// trusted says in words, for a write that contains a secret, which stored values it relies on: a base_url that is not the vendor's
// own, a ca_cert. Someone else may have set them, to receive the secret. "" if there are none.
func (v *vendor) trusted(old, next config, write parameters) string {
	if !slices.ContainsFunc(secretNames(v.fieldsOf(next)), write.given) {
		return ""
	}
	var relied []string
	if stored := old.text("base_url"); stored != "" && !v.isOwn(stored) && !write.given("base_url") {
		description := "base_url " + stored
		if v.owns != nil {
			description += ", which is not " + v.title + "'s own"
		}
		relied = append(relied, description)
	}
	if old.text("ca_cert") != "" && !write.given("ca_cert") {
		relied = append(relied, "ca_cert")
	}
	if relied == nil {
		return ""
	}
	return "the stored " + strings.Join(relied, " and the stored ")
}
