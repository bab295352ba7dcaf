package definitions

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"
)

const maxRound = 300 // files; a reload takes longer than linear time

// rounds parts groups into those that can be in one home together: no two have the same
// file name, and drop-ins for whatever has a name alter no other group.
func rounds(groups []Group) [][]Group {
	var rounds [][]Group
	names, files := []map[string]bool{}, []int{}
	for _, g := range groups {
		i := len(rounds)
		if !g.isWide() {
			i = slices.IndexFunc(rounds, func(r []Group) bool { return !r[0].isWide() })
			for ; i >= 0 && i < len(rounds); i++ {
				if !rounds[i][0].isWide() && files[i]+len(g.Files) <= maxRound && !g.hasAny(names[i]) {
					break
				}
			}
		}
		if i < 0 || i == len(rounds) {
			i = len(rounds)
			rounds, names, files = append(rounds, nil), append(names, map[string]bool{}), append(files, 0)
		}
		rounds[i] = append(rounds[i], g)
		files[i] += len(g.Files)
		for _, f := range g.Files {
			names[i][f.conflict()] = true
		}
	}
	return rounds
}

// conflict is the same for files that become one unit.
func (f File) conflict() string {
	if f.isQuadlet() && f.isDefinition() && slices.Contains([]string{"container", "kube"}, f.kind()) {
		return f.Path[:len(f.Path)-len(path.Ext(f.Path))] + ".service"
	}
	return f.Path
}

func (g Group) hasAny(names map[string]bool) bool {
	return slices.ContainsFunc(g.Files, func(f File) bool { return names[f.conflict()] })
}

// isWide reports whether a drop-in may alter files of other folders, or the folder's name
// says that it is for a file that spoils others.
func (g Group) isWide() bool {
	return strings.HasPrefix(path.Base(g.Name), "alone-") || slices.ContainsFunc(g.Files, func(f File) bool {
		owner := path.Dir(f.Path)
		owner = owner[:max(0, len(owner)-len(path.Ext(owner)))]
		return !f.isDefinition() && !slices.ContainsFunc(g.Files, func(o File) bool { return o.Path == owner })
	})
}

var quadletName = regexp.MustCompile(`[\w.@-]+\.(container|volume|network|pod|image|build)\b`)

// needed returns the quadlets of other folders that a round names, with what they name.
func needed(round, all []Group) []Group {
	byName := map[string]Group{}
	for _, g := range all {
		for _, f := range g.Files {
			if _, taken := byName[f.Path]; !taken && f.isQuadlet() {
				byName[f.Path] = Group{g.Name, []File{f}}
			}
		}
	}
	var more []Group
	queue := slices.Clone(round)
	for _, g := range round {
		for _, f := range g.Files {
			delete(byName, f.Path)
		}
	}
	for len(queue) > 0 && len(more) < maxRound {
		g := queue[0]
		queue = queue[1:]
		for _, f := range g.Files {
			for _, name := range quadletName.FindAllString(f.Text, -1) {
				if found, ok := byName[name]; ok {
					delete(byName, name)
					more, queue = append(more, found), append(queue, found)
				}
			}
		}
	}
	return more
}

// judgeApart is Judge for a round of all groups. A file because of which others are refused
// does not hide what is to be said of those: they are judged again without it.
func (l *Lab) judgeApart(ctx context.Context, round, all []Group, layout Layout) ([]Verdict, error) {
	verdicts, err := l.Judge(ctx, slices.Concat(round, needed(round, all)), layout)
	if err != nil {
		return nil, err
	}
	verdicts = slices.DeleteFunc(verdicts, func(v Verdict) bool { return !isIn(v.File, round) })
	culprits := slices.DeleteFunc(slices.Clone(verdicts), func(v Verdict) bool { return !v.isOwn })
	if len(culprits) == 0 {
		return verdicts, nil
	}
	rest := []Group{}
	for _, g := range round {
		g.Files = slices.DeleteFunc(slices.Clone(g.Files), func(f File) bool {
			return slices.ContainsFunc(culprits, func(v Verdict) bool { return v.File == path.Join(g.Name, f.Path) })
		})
		rest = append(rest, g)
	}
	verdicts, err = l.judgeApart(ctx, rest, all, layout)
	return append(verdicts, culprits...), err
}

func isIn(file string, groups []Group) bool {
	return slices.ContainsFunc(groups, func(g Group) bool {
		return slices.ContainsFunc(g.Files, func(f File) bool { return path.Join(g.Name, f.Path) == file })
	})
}
