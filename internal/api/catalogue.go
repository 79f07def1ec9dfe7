package api

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// Catalogue is documents that come with the engine. A write can name one in place of giving a text; the config has its
// own copy of it.
type Catalogue struct {
	// Path is that of the list, and the word for documents in texts.
	Path string
	// Names are those of the documents, sorted.
	Names []string
	// Text is a document by its name; "" if there is none.
	Text func(name string) string
	// Describe is what a read of a document in the catalogue returns, and Outputs declare that.
	Describe func(name string) (map[string]any, error)
	Outputs  []Output
	// Name is the field that keeps the name of a config's document, and Upgrade the parameter by which a write takes the
	// catalogue's document of the stored name. A document that an earlier version stored can declare these names: then
	// they are the document's.
	Name, Upgrade Field
}

const maxDocumentName = 64

var (
	documentName = regexp.MustCompile(fmt.Sprintf(`^[a-z0-9-]{1,%d}$`, maxDocumentName))
	oneWord      = regexp.MustCompile(`^[\w.@/~+=\\-]+$`)
)

// choice is the document that a write leads to.
type choice struct {
	text string
	// name is the one in the catalogue; "" if a text was given.
	name string
	// upgraded reports whether the config has a document of the same name, whose text is that of another version.
	upgraded bool
	// warning says that the catalogue has another text by now, or that a value was lost with the old one; "" if neither.
	warning string
}

// choose finds out which document a write leads to: the stored one, a text, or one of the catalogue.
func (d *Document) choose(w Write) (choice, error) {
	stored := choice{text: w.Old.text(d.Field), name: w.Old.text(d.Catalogue.Name)}
	upgrade := w.upgrades(d.Catalogue.Upgrade)
	value, _, given := w.Parameters.Given(d.Field)
	text := value.Text.Reveal()
	switch {
	case !given && !upgrade && stored.text == "":
		return choice{}, Invalidf("%s is required", d.Field.Name)
	case !given && !upgrade:
		return stored, nil
	case !given:
		text = stored.name
	}
	if given {
		if err := d.Field.check(text); err != nil {
			return choice{}, err
		}
	}
	name := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	switch {
	case documentName.MatchString(name):
		return d.Catalogue.choose(d.Field.Name, name, stored, upgrade)
	case upgrade:
		return choice{}, Invalidf("%s takes a %s by its name from the catalogue; this one was given as a text, so write the "+
			"new text as %[2]s", d.Catalogue.Upgrade.Name, d.Field.Name)
	case oneWord.MatchString(strings.TrimSpace(name)):
		return choice{}, d.Catalogue.noDocument(d.Field.Name, name)
	}
	return choice{text: text}, nil
}

// choose is the document of a name. A config that has one of that name keeps its copy, unless the write upgrades.
func (c *Catalogue) choose(field, name string, stored choice, upgrade bool) (choice, error) {
	text := c.Text(name)
	keeps := stored.name == name && !upgrade
	switch {
	case keeps && text == "":
		stored.warning = "the catalogue no longer has the " + field + " " + name + "; the config keeps its copy"
		return stored, nil
	case keeps && text != stored.text:
		stored.warning = "the catalogue's " + name + " is not what the config has; the config keeps its copy, and " +
			c.Upgrade.Name + "=true in a write with every secret and field takes the catalogue's"
		return stored, nil
	case text == "":
		return choice{}, c.noDocument(field, name)
	}
	return choice{text: text, name: name, upgraded: stored.name == name}, nil
}

// noDocument is the error for what is not the name of a document.
func (c *Catalogue) noDocument(field, name string) error {
	return Invalidf("the catalogue has no %s of this name; the nearest are %s; LIST %s names all, and a file is given as "+
		"%[1]s=@file", field, strings.Join(c.nearest(name), ", "), c.Path)
}

// upgrades reports whether a write has the parameter for it, which is not one that the stored document declares.
func (w Write) upgrades(upgrade Field) bool {
	if !slices.ContainsFunc(w.Old.Fields(), func(f Field) bool { return f.place() == upgrade.place() }) {
		return false
	}
	value, null, given := w.Parameters.Given(upgrade)
	return given && !null && value.Flag
}

// nearest are the three names that are most like one that is not in the catalogue. Names of files and capitals count as
// what they stand for.
func (c *Catalogue) nearest(name string) []string {
	name = strings.ToLower(strings.TrimSpace(name))
	name, _, _ = strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ".")
	name = name[:min(len(name), maxDocumentName)]
	rank := func(known string) (rank, edits int) {
		vendor, _, _ := strings.Cut(known, "-")
		switch {
		case strings.Contains(known, name), strings.Contains(name, known):
			rank = 0
		case strings.HasPrefix(name, vendor):
			rank = 1
		default:
			rank = 2
		}
		return rank, distance(known, name)
	}
	names := slices.Clone(c.Names)
	slices.SortStableFunc(names, func(a, b string) int {
		rankA, editsA := rank(a)
		rankB, editsB := rank(b)
		return cmp.Or(cmp.Compare(rankA, rankB), cmp.Compare(editsA, editsB))
	})
	return names[:min(3, len(names))]
}

// distance is the number of bytes to insert, delete or replace to make one text of another (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// withDocument is a config with a chosen document.
func (v Values) withDocument(c choice) Values {
	d := v.api.Document
	v = v.with(d.Field, Value{Text: secret.Text(c.text)})
	if v.Has(d.Catalogue.Name) {
		v = v.with(d.Catalogue.Name, Value{Text: secret.Text(c.name)})
	}
	return v
}

// isOfCatalogue reports whether a config's document is what the catalogue has by that name: nobody else wrote it.
func (v Values) isOfCatalogue() bool {
	d := v.api.Document
	if d == nil {
		return false
	}
	name := v.text(d.Catalogue.Name)
	return name != "" && d.Catalogue.Text(name) == v.text(d.Field)
}

// hint is what to add to what is wrong with a document of the catalogue that a config keeps.
func (d *Document) hint(c choice) string {
	if c.warning == "" {
		return ""
	}
	return fmt.Sprintf("; %s=true takes the catalogue's %s", d.Catalogue.Upgrade.Name, c.name)
}
