package backend

import (
	"slices"
	"testing"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/apis"
)

// opening counts how often the configs of a mount are opened, and their documents read.
type opening struct{ opens, reads int }

// newMountOpening makes a mount that counts in the returned value.
func newMountOpening(t *testing.T) (*mount, *opening) {
	t.Helper()
	count := &opening{}
	known := apis.All()
	for _, a := range known {
		if a.Document != nil {
			changeForms(a, func(form *api.Form) {
				count.reads++
				count.countOpens(form)
			})
			continue
		}
		count.countOpens(&a.Form)
	}
	return newMountOf(t, known), count
}

func (o *opening) countOpens(form *api.Form) {
	open := form.Open
	form.Open = func(v api.Values) (*api.Account, error) {
		o.opens++
		return open(v)
	}
}

// A write opens its config once, and no read of one that is in memory opens it again. A config that changed elsewhere
// is opened by the next read that uses it, and a document that is the same is not read again.
func TestConfigsAreOpenedOnce(t *testing.T) {
	t.Parallel()
	for _, a := range apis.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			m, count := newMountOpening(t)
			path, documents := a.Name+"/us", 0
			if a.Document != nil {
				documents = 1
			}
			did := func(opens, reads int, what string) {
				t.Helper()
				require.Equal(t, opening{opens, reads}, *count, what)
				*count = opening{}
			}
			whole := rowOf(t, a).whole(m)
			m.write("config/"+path, whole)
			did(1, documents, "a first write")
			opened := m.load(path).account(t)
			did(1, 0, "this test itself")
			reads := map[string]func(){
				"config":  func() { m.read("config/" + path) },
				"status":  func() { m.read("status/" + path) },
				"metrics": func() { m.scrape() },
				"list":    func() { m.must(logical.ListOperation, "config/"+a.Name, nil) },
			}
			if opened.Creds != nil {
				reads["creds"] = func() { m.read("creds/" + path) }
			}
			for _, round := range []string{"at once", "again"} {
				for name, read := range reads {
					read()
					did(0, 0, name+", "+round)
				}
			}
			if a.Calls || a.Document != nil {
				m.must(logical.UpdateOperation, "check/"+path, nil)
				did(1, 0, "a check, which is of what is stored")
			}
			m.write("config/"+path, values{"secret_expires_at": "2027-03-01T00:00:00Z"})
			did(1, 0, "a write of another field")
			m.write("config/"+path, whole)
			did(1, 0, "a write of the same")
			fields := m.load(path).values.Fields()
			secret := fields[slices.IndexFunc(fields, func(f api.Field) bool { return f.Kind == api.Secret })].Name
			m.refused(logical.UpdateOperation, "config/"+path, values{secret: ""})
			did(0, 0, "a write that breaks a rule")
			for name, read := range reads {
				m.InvalidateKey(t.Context(), "config/"+path)
				read()
				opens := 0
				if name == "creds" || name == "status" { // which use the account
					opens = 1
				}
				did(opens, 0, name+" after a change elsewhere")
			}
			m.must(logical.DeleteOperation, "config/"+path, nil)
			did(0, 0, "a delete")
		})
	}
}
