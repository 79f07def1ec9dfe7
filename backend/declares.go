package backend

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/vault/sdk/framework"
)

// declares is what a vendor does whose configs declare fields of their own, and what a reader gives and gets. Each of its configs serves
// either creds/ or sign/.
type declares struct {
	// from are the names of the fields that the declaration is in. A write that changes one of them starts the config over.
	from []string
	// compile makes of a config what follows from its declaration, or says what is wrong with that. A declaration that only newer rules
	// refuse is outdated.
	compile func(c config) (*declaration, error)
	// prove makes sure that a config does what it says, without calling anyone. A write stores nothing if it fails; check/ runs it.
	prove func(c config) error
	// hidden makes sure that no secret of a config is in what a read of it returns. It is for writes that bring any of
	// these: a stored config was held to the rule of its time.
	hidden func(c config) error
	// readable is what a read of the config returns beside its fields, and schema declares it. It may return nil.
	readable func(c config) map[string]any
	schema   map[string]*framework.FieldSchema
	// warnings are for a write of the declaration.
	warnings func(c config) []string
	// prepare makes what readers are answered from, once for a config in memory: serving.prepared. It is nil for a config that the
	// vendor's check refuses.
	prepare func(c config) any
	// answer answers a reader who gives some parameters; creds and sign are the texts of the two paths, and their answers.
	answer      func(s serving, given map[string]string) (answer, error)
	creds, sign *creds
}

// declaration is what a config's own declaration says.
type declaration struct {
	// fields are those of the config, beside those of its vendor. Each is in a group.
	fields []field
	// reads are the names of what a reader gives; if there are none, the config serves creds/, else sign/.
	reads []string
	// compiled is what the vendor made of the declaration.
	compiled any
	// problem is why the declaration cannot be used; then there is nothing else.
	problem error
	// outdated is why a write of the declaration would be refused, although it can be used; nil if it would not.
	outdated error
}

// declarationKey is where a config has its declaration. No parameter has this name.
const declarationKey = ""

// declaration is that of the config; nil if its vendor's configs declare nothing.
func (c config) declaration() *declaration {
	found, _ := c[declarationKey].(*declaration)
	return found
}

// outdated says that the config goes on working although its declaration would be refused today, and why; "" if it would not.
func (c config) outdated() string {
	found := c.declaration()
	if found == nil || found.outdated == nil {
		return ""
	}
	return "this config goes on working, but a write of its declaration would be refused: " + found.outdated.Error()
}

// fieldsOf are all fields of a config: those of its vendor, and its own, which replace those of the same name.
func (v *vendor) fieldsOf(c config) []field {
	if found := c.declaration(); found != nil {
		own := slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return c.declaresItself(f.name) })
		return append(own, found.fields...)
	}
	return v.fields
}

// declared returns a config together with its declaration, and with the values that an entry has for its own fields; nil is no entry.
func (v *vendor) declared(c config, entry []byte) (config, error) {
	if v.declares == nil || (entry == nil && !v.declares.isIn(c)) {
		return c, nil
	}
	found := c.declaration()
	if found == nil {
		var problem error
		if found, problem = v.declares.compile(c); problem != nil {
			found = &declaration{problem: problem}
		}
	}
	complete := maps.Clone(c)
	complete[declarationKey] = found
	var groups map[string]json.RawMessage
	if entry != nil {
		if err := json.Unmarshal(entry, &groups); err != nil {
			return nil, errDamaged
		}
	}
	for _, group := range []string{groupSecrets, groupFields} {
		own := slices.DeleteFunc(slices.Clone(found.fields), func(f field) bool { return f.group != group })
		if groups[group] == nil {
			maps.Copy(complete, newConfig(own))
			continue
		}
		values, err := decodeConfig(own, groups[group])
		if err != nil {
			return nil, err
		}
		maps.Copy(complete, values)
	}
	return complete, nil
}

// withDeclaration returns a config with the declaration of the one of that name in memory, if the two declare the same: to compile it
// takes time.
func (e *entries) withDeclaration(name string, c config, v *vendor) config {
	if v.declares == nil {
		return c
	}
	e.mu.RLock()
	inMemory := e.byName[name]
	e.mu.RUnlock()
	if inMemory == nil || slices.ContainsFunc(v.declares.from, func(from string) bool { return c[from] != inMemory.config[from] }) {
		return c
	}
	c = maps.Clone(c)
	c[declarationKey] = inMemory.config.declaration()
	return c
}

// isIn says whether a config has a declaration.
func (d *declares) isIn(c config) bool {
	return slices.ContainsFunc(d.from, func(name string) bool { return c.text(name) != "" })
}

// begin is the config that a write changes: the one that is stored or, if the write changes the declaration, one that has nothing of the
// old declaration's. restarted says which.
func (v *vendor) begin(old config, write parameters) (begun config, restarted bool, err error) {
	if v.declares == nil {
		return old, false, nil
	}
	own := slices.DeleteFunc(slices.Clone(v.fields), func(f field) bool { return !slices.Contains(v.declares.from, f.name) })
	declaring, err := old.with(own, write)
	if err != nil {
		return nil, false, err
	}
	if !v.declares.isIn(declaring) {
		return nil, false, invalidf("%s is required", strings.Join(v.declares.from, " or "))
	}
	restarted = slices.ContainsFunc(own, func(f field) bool { return old[f.name] != declaring[f.name] })
	begun = old
	if restarted {
		begun = newConfig(v.fields)
		for _, f := range v.fields {
			if !old.declaresItself(f.name) {
				begun[f.name] = old[f.name]
			}
		}
		for _, f := range own {
			begun[f.name] = declaring[f.name]
		}
		if begun, err = v.declared(begun, nil); err != nil {
			return nil, false, err
		}
	}
	found := begun.declaration()
	if found != nil && found.problem != nil {
		return nil, false, invalidf("%s", found.problem)
	}
	if found != nil && found.outdated != nil && slices.ContainsFunc(v.declares.from, write.given) {
		return nil, false, invalidf("%s", found.outdated)
	}
	return begun, restarted, nil
}
