package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/exchange"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// pathConfig is config/<vendor>/:name.
func (b *backend) pathConfig(s *store) *framework.Path {
	a, p := s.api, s.path("config", "", "configuration")
	p.Fields = writable(a.Form.Fields)
	if a.Document != nil { // which has parameters of its own
		p.TakesArbitraryInput = true
		p.Fields[a.Document.Catalogue.Upgrade.Name] = flagOrText(a.Document.Catalogue.Upgrade)
	}
	p.ExistenceCheck = s.configExists
	p.HelpSynopsis = "Configure credentials for " + a.Title + "."
	p.HelpDescription = strings.TrimSpace(a.ConfigHelp) + configHelp
	written := answers("The config was stored. Warnings say what may be a mistake.", nil)
	written[http.StatusNoContent] = []framework.Response{{Description: "The config was stored."}}
	deleted := map[int][]framework.Response{http.StatusNoContent: {{Description: "The config does not exist any more."}}}
	write := s.named(b.configWrite)
	p.Operations = map[logical.Operation]framework.OperationHandler{
		logical.CreateOperation: forwarded(write, "Write a config of "+a.Title+".", written),
		logical.UpdateOperation: forwarded(write, "Change the given fields of a config of "+a.Title+".", written),
		logical.PatchOperation: forwarded(write,
			"Change the given fields of an existing config of "+a.Title+"; null sets a field to its default.", written),
		logical.DeleteOperation: forwarded(s.named(b.configDelete), "Delete a config of "+a.Title+".", deleted),
		logical.ReadOperation: &framework.PathOperation{
			Callback: s.named(b.configRead), Summary: "Read a config of " + a.Title + ", without its secret.",
			Responses: answers("Every field except the secret.", readable(a)),
		},
	}
	return p
}

// forwarded is an operation that only the node can do that may write.
func forwarded(
	callback framework.OperationFunc, summary string, responses map[int][]framework.Response,
) *framework.PathOperation {
	return &framework.PathOperation{
		Callback: callback, Summary: summary, Responses: responses,
		ForwardPerformanceStandby: true, ForwardPerformanceSecondary: true,
	}
}

// pathConfigList is LIST config/<vendor>.
func (b *backend) pathConfigList(s *store) *framework.Path {
	return s.pathList(s.prefix(), "configurations")
}

// pathList is LIST of a prefix below which each config has a path.
func (s *store) pathList(prefix, what string) *framework.Path {
	return listPath(prefix+"?$", s.api.Name+"-"+what, listing{
		summary: "List the names of the configs of " + s.api.Title + ".",
		help:    "Returns names only: read a config by its name for its fields. If there is none, Vault answers 404.",
		answer:  "The names.",
		key:     "Names of configs.",
		names: func(ctx context.Context, storage logical.Storage) ([]string, error) {
			names, err := storage.List(ctx, s.prefix())
			if err != nil {
				return nil, fmt.Errorf("listing %s: %w", s.prefix(), err)
			}
			return names, nil
		},
	})
}

// pathVendors is LIST of a prefix below which each vendor has a list.
func (b *backend) pathVendors(prefix string) *framework.Path {
	return listPath(prefix+"/?$", prefix+"-vendors", listing{
		summary: "List the vendors.",
		help:    "Returns the vendors that the engine knows. List " + prefix + "/<vendor> for the names of configs.",
		answer:  "The vendors, whether there are configs or not. Each is a prefix to list.",
		key:     "Names of vendors, with a slash at their end.",
		names: func(context.Context, logical.Storage) ([]string, error) {
			var vendors []string
			for _, s := range b.stores {
				vendors = append(vendors, s.api.Name+"/")
			}
			slices.Sort(vendors)
			return vendors, nil
		},
	})
}

// listing is what differs between two paths that list names.
type listing struct {
	summary, help, answer, key string
	names                      func(context.Context, logical.Storage) ([]string, error)
}

func listPath(pattern, what string, l listing) *framework.Path {
	keys := map[string]*framework.FieldSchema{"keys": always(framework.TypeStringSlice, l.key)}
	return &framework.Path{
		Pattern:      pattern,
		DisplayAttrs: display("list", what),
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ListOperation: &framework.PathOperation{
				Callback: func(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
					names, err := l.names(ctx, req.Storage)
					if err != nil {
						return nil, err
					}
					return logical.ListResponse(names), nil
				},
				Summary:   l.summary,
				Responses: answers(l.answer, keys),
			},
		},
		HelpSynopsis:    l.summary,
		HelpDescription: l.help,
	}
}

// configExists is the existence check, which decides whether Vault wants the policy capability create or update. For a
// name that no config can have it answers that there is one, so that the caller sees the request's own error.
func (s *store) configExists(ctx context.Context, req *logical.Request, data *framework.FieldData) (bool, error) {
	name := nameOf(data)
	if nameFault(s, name) != "" {
		return true, nil
	}
	entry, err := req.Storage.Get(ctx, s.key(name))
	if err != nil {
		return false, fmt.Errorf("reading from storage: %w", err)
	}
	return entry != nil, nil
}

// configRead answers a read of a config; of none, with nothing, which Vault makes a 404.
func (b *backend) configRead(ctx context.Context, r *request) (*logical.Response, error) {
	found, err := r.load(ctx)
	if err != nil || found.entry == nil {
		return nil, err
	}
	resp := &logical.Response{Data: found.values.Readable()}
	if warning := expiryWarning(found.values.SecretDates().Expires, b.now()); warning != "" {
		resp.AddWarning(warning)
	}
	if r.store.api.Document != nil {
		if problem := r.problem(found); problem != nil {
			resp.AddWarning("this config cannot be used: " + problem.Error())
		}
		if outdated := found.values.Outdated(); outdated != "" {
			resp.AddWarning(outdated)
		}
	}
	return resp, nil
}

// problem is why a stored config cannot be opened; nil for one that is open in memory.
func (r *request) problem(found stored) error {
	if known := r.store.entries.known(r.name); known != nil && known.Equal(found.values) {
		return nil
	}
	_, err := found.values.Open()
	return err
}

func (b *backend) configDelete(ctx context.Context, r *request) (*logical.Response, error) {
	return nil, r.remove(ctx)
}

// configWrite creates, updates and patches. If the write changes what a login uses, or contains verify=true, it logs in
// first, and readers get its token. It holds no lock meanwhile, and starts over if another write came between.
func (b *backend) configWrite(ctx context.Context, r *request) (*logical.Response, error) {
	if len(r.Data) == 0 {
		return nil, api.Invalidf("the request contains no parameters; %s",
			api.Accepts(parametersOf(r.Operation, writable(r.store.api.Form.Fields))))
	}
	var tried *trial
	for range writeAttempts {
		found, err := r.load(ctx)
		if err != nil {
			return nil, err
		}
		change, err := b.apply(r, found)
		if err != nil {
			return nil, err
		}
		if tried, err = b.try(ctx, r, change, tried); err != nil {
			return nil, err
		}
		next := opened{change.Next, change.Account}
		if tried != nil {
			next.values = next.values.Learn(tried.report.Format)
		}
		err = r.replace(ctx, found, next, func(e *entry) {
			if tried != nil {
				b.take(e, tried.report)
			}
		})
		if errors.Is(err, errChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return written(change, tried), nil
	}
	return nil, errChanged
}

// apply applies a write to the config as it was found.
func (b *backend) apply(r *request, found stored) (api.Change, error) {
	if r.Operation == logical.PatchOperation && found.entry == nil {
		return api.Change{}, r.noConfig()
	}
	return r.store.api.Apply(api.Write{
		Name:       r.name,
		Now:        b.now(),
		Old:        found.values,
		Parameters: parameters{r, r.store.api.Document != nil},
		Addresses:  b.client,
	})
}

// trial is a successful login with what a write would store.
type trial struct {
	values api.Values
	report api.Report
}

// try logs in if a change wants that. A write that starts over need not do it again with the same account: last is from
// before.
func (b *backend) try(ctx context.Context, r *request, change api.Change, last *trial) (*trial, error) {
	if !change.Verify {
		return nil, nil
	}
	if last != nil && change.Next.SameAccount(last.values) {
		return last, nil
	}
	if change.Account.Exclusive {
		if living, err := r.livingToken(ctx, change.Next); err != nil || !living.Absent() {
			return nil, err
		}
	}
	report, err := b.login(ctx, r.store, r.name, change.Account, change.Next.Detected())
	if err != nil {
		err = notStored(r.key(), err)
		// Vault drops warnings from errors.
		for _, warning := range append(change.Warnings, reliedWarning(change.Relied)...) {
			err = fmt.Errorf("%w; %s", err, warning)
		}
		return nil, err
	}
	return &trial{change.Next, report}, nil
}

// livingToken is the token that readers share, if it lives and is of the same account as some values; else none. It
// waits for a login under way. A login of an exclusive account would end that token for everyone.
func (r *request) livingToken(ctx context.Context, values api.Values) (token.Token, error) {
	current, found := r.store.entries.get(r.name)
	if !found || current.token == nil || !values.SameAccount(current.values) {
		return token.Token{}, nil
	}
	if err := current.token.Wait(ctx); err != nil {
		return token.Token{}, err
	}
	return current.token.Living(), nil
}

// written is the answer to a write that was done: nothing, or warnings.
func written(change api.Change, tried *trial) *logical.Response {
	warnings := slices.Concat(change.Warnings, reliedWarning(change.Relied))
	if change.Outlived != "" {
		warnings = append(warnings, change.Outlived)
	}
	if tried != nil {
		warnings = append(warnings, reportWarnings(tried.report)...)
	}
	if len(warnings) == 0 {
		return nil
	}
	return &logical.Response{Warnings: warnings}
}

// take records a successful login with the config of an entry: its token replaces the shared one.
func (b *backend) take(e *entry, report api.Report) {
	e.loggedIn(b.now(), report, nil)
	if e.token != nil {
		e.token.Replace(report.Token)
	}
}

// notStored is the error of a write whose trial failed. Only a failure that may pass leaves it to the operator to store
// what was not tried.
func notStored(key string, err error) error {
	err = fmt.Errorf("%s was not stored: %w", key, err)
	failure, is := errors.AsType[*exchange.Error](err)
	if is && (failure.Kind == exchange.Unavailable || failure.Kind == exchange.Limited) {
		err = fmt.Errorf("%w; verify=false stores it without trying it", err)
	}
	return err
}

// reliedWarning warns of stored values that a new secret is used with; of none, not at all.
func reliedWarning(relied string) []string {
	if relied == "" {
		return nil
	}
	return []string{
		"the new secret is used with " + relied + "; if that is not your setting, write it again together with the secret",
	}
}

const configHelp = `
An update changes only the fields that it names. So does a patch, in which null sets a field to its default. A read
returns every field except the secret.

The stored secret is used only for the address that it was written for: changing an address or an account, or adding a
certificate, needs the secret in the same write.
`
