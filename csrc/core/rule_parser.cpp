#include "core/rule_parser.h"

#include <algorithm>
#include <cstdint>

#include "core/text.h"

namespace kgwalk {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

/// What stands in an atom's place: a variable's letter, or 0 and a constant.
struct Term {
  char variable;
  EntityId constant;
};

struct Atom {
  RelationId relation;
  Term left, right;
};

std::string name_of(char variable) { return std::string("variable ") + variable; }

/// The atoms as a walk from the head's variable. Throws BadRule if they are none.
Rule chain(const Atom& head, const Atom* body, std::size_t length, RelationId num_relations) {
  Rule rule;
  rule.length = length;
  char start = head.left.variable, end = 0;
  if (start == 0) {  // h(c, Y)
    start = head.right.variable;
    rule.head = head.relation + num_relations;
    rule.head_constant = head.left.constant;
  } else {
    rule.head = head.relation;
    rule.head_constant = head.right.constant;
    if (head.right.variable == start) {
      rule.head_constant = kSelf;
    } else {
      end = head.right.variable;
    }
  }
  const bool cyclic = end != 0;
  if (cyclic && length == 0) throw BadRule("expected a body, got none behind a head with two variables");

  std::uint32_t met = 0, used = 0;
  const auto bit = [](char variable) { return 1u << (variable - 'A'); };
  char at = start;
  for (std::size_t step = 0; step < length; ++step) {
    // As a rule the atoms stand in order; looking from `step` round finds the others too.
    std::size_t i = step;
    const auto joins = [&](std::size_t k) {
      return (used >> k & 1) == 0 && (body[k].left.variable == at || body[k].right.variable == at);
    };
    while (!joins(i)) {
      i = (i + 1) % length;
      if (i == step) {
        throw BadRule("expected a chain of atoms, got " + name_of(at) + (step == 0 ? " of the head" : "") +
                      " joining no further atom");
      }
    }
    used |= 1u << i;
    const bool forward = body[i].left.variable == at, last = step + 1 == length;
    const Term next = forward ? body[i].right : body[i].left;
    rule.body[step] = forward ? body[i].relation : body[i].relation + num_relations;
    met |= bit(at);
    if (next.variable == 0) {
      if (cyclic) throw BadRule("expected no constant in a rule with two variables in its head, a form not held");
      if (!last) throw BadRule("expected a constant at the end of the chain only, got one inside, a form not held");
      rule.body_constant = next.constant;
    } else if (next.variable == start && !cyclic && last) {
      rule.body_constant = kSelf;
    } else if ((met & bit(next.variable)) != 0 || (next.variable == end && !last)) {
      throw BadRule("expected a chain that meets a variable once, got " + name_of(next.variable) +
                    " again, a form not held");
    } else if (cyclic && last && next.variable != end) {
      throw BadRule("expected a chain that ends in " + name_of(end) + " of the head, got one that ends in " +
                    name_of(next.variable));
    }
    at = next.variable;
  }
  return rule;
}

}  // namespace

/// All readings of one text.
class RuleReading {
 public:
  RuleReading(const RuleParser& parser, std::string_view text) : parser_(parser), text_(text) {}

  Rule rule() {
    read(0, 0);
    if (found_) return rule_;
    throw BadRule(chain_reason_.empty() ? why_not(furthest_) : chain_reason_);
  }

 private:
  /// More tries than any text needs that is not made to have many readings.
  static constexpr int kMaxTries = 10000;

  /// Reads the atom at `at`, number `depth` (0 is the head), and all that follow, in every way.
  void read(std::size_t at, std::size_t depth) {
    if (depth > 0 && at >= text_.size()) {
      accept(depth - 1);
      return;
    }
    if (depth > kMaxBodyAtoms) {
      chain_reason_ = "expected at most " + std::to_string(kMaxBodyAtoms) + " atoms in the body";
      return;
    }
    furthest_ = std::max(furthest_, at);
    for (std::size_t open = text_.find('(', at); open != kNone && open - at <= parser_.longest_relation_;
         open = text_.find('(', open + 1)) {
      spend_try();
      const RelationId relation = parser_.relations_.find(text_.substr(at, open - at));
      if (relation >= 0) read_arguments(relation, open + 1, depth);
      if (!parser_.relations_hold_brackets_) break;
    }
  }

  void read_arguments(RelationId relation, std::size_t begin, std::size_t depth) {
    for (std::size_t close = next_end(begin, depth == 0);
         close != kNone && close - begin <= parser_.longest_entity_ + 2; close = next_end(close + 1, depth == 0)) {
      spend_try();
      const std::string_view inside = text_.substr(begin, close - begin);
      if (inside.size() >= 3) {
        Term first{}, second{};
        const std::size_t end = inside.size();
        bool read_so = false;
        if (inside[1] == ',' && reads_as_variable(inside.substr(0, 1)) && term(inside.substr(2), &second)) {
          go_on({relation, {inside[0], kVariable}, second}, close, depth);
          read_so = second.variable != 0;  // the other way would be the same
        }
        if (!read_so && inside[end - 2] == ',' && reads_as_variable(inside.substr(end - 1)) &&
            term(inside.substr(0, end - 2), &first)) {
          go_on({relation, first, {inside[end - 1], kVariable}}, close, depth);
        }
      }
      if (!parser_.entities_hold_atom_ends_) return;
    }
  }

  /// The next bracket from `from` on that may close the head or an atom of the body, or kNone.
  std::size_t next_end(std::size_t from, bool head) const {
    for (std::size_t at = text_.find(')', from); at != kNone; at = text_.find(')', at + 1)) {
      const std::string_view rest = text_.substr(at + 1);
      if (head ? rest.substr(0, 4) == " <= " || rest == " <=" : rest.empty() || rest.substr(0, 2) == ", ") return at;
    }
    return kNone;
  }

  bool term(std::string_view name, Term* out) const {
    if (reads_as_variable(name)) {
      *out = {name[0], kVariable};
      return true;
    }
    *out = {0, name == kSelfName ? kSelf : parser_.entities_.find(name)};
    return out->constant != -1;
  }

  void go_on(const Atom& atom, std::size_t close, std::size_t depth) {
    atoms_[depth] = atom;
    // Behind the head " <= " or " <=", behind an atom ", " or nothing. A comma that nothing follows is no end.
    const std::size_t next = close + 1 + (depth == 0 ? 4 : 2);
    if (depth > 0 && next == text_.size()) {
      furthest_ = next;
      return;
    }
    read(next, depth + 1);
  }

  void accept(std::size_t length) {
    Rule rule;
    try {
      rule = chain(atoms_[0], &atoms_[1], length, parser_.relations_.names().size());
    } catch (const BadRule& reason) {
      chain_reason_ = reason.what();
      return;
    }
    if (found_ && !(rule == rule_))
      throw BadRule("expected one reading, got names with signs of the format: it has two");
    rule_ = rule;
    found_ = true;
  }

  void spend_try() {
    if (++tries_ > kMaxTries)
      throw BadRule("expected one reading, got names with signs of the format: it has too many");
  }

  /// What the simplest reading of the atom at `at` stumbles over.
  std::string why_not(std::size_t at) const {
    const bool head = at == 0;
    const std::string_view rest = text_.substr(at);
    const std::size_t open = rest.find('(');
    if (open == kNone) {
      return std::string("expected ") + (head ? "a rule, head <= body" : "an atom, relation(X,Y)") + ", got " +
             quoted(rest);
    }
    if (!parser_.relations_hold_brackets_ && parser_.relations_.find(rest.substr(0, open)) < 0) {
      return "expected a known relation, got " + quoted(rest.substr(0, open));
    }
    const std::size_t close = next_end(at + open + 1, head);
    if (close == kNone) {
      return (head ? "expected \" <= \" behind the head, got " : "expected atoms with \", \" between them, got ") +
             quoted(rest);
    }
    const std::string_view atom = rest.substr(0, close + 1 - at);
    const std::string_view inside = atom.substr(open + 1, atom.size() - open - 2);
    const std::size_t first = inside.find(','), last = inside.rfind(',');
    if (first == kNone) return "expected two arguments, got " + quoted(atom);
    if (reads_as_variable(inside.substr(0, first)))
      return "expected a known entity, got " + quoted(inside.substr(first + 1));
    if (reads_as_variable(inside.substr(last + 1)))
      return "expected a known entity, got " + quoted(inside.substr(0, last));
    return "expected a variable, A to Z, as one of the arguments, got " + quoted(atom);
  }

  const RuleParser& parser_;
  const std::string_view text_;
  std::array<Atom, kMaxBodyAtoms + 1> atoms_{};
  int tries_ = 0;
  bool found_ = false;
  Rule rule_;
  std::size_t furthest_ = 0;
  std::string chain_reason_;
};

RuleParser::RuleParser(const NameIndex& entities, const NameIndex& relations)
    : entities_(entities), relations_(relations), longest_entity_(kSelfName.size()) {
  const auto any = [](const NameIndex& index, std::size_t& longest, const auto& holds) {
    bool found = false;
    for (std::int32_t id = 0; id < index.names().size(); ++id) {
      const std::string_view name = index.names()[id];
      longest = std::max(longest, name.size());
      found = found || holds(name);
    }
    return found;
  };
  relations_hold_brackets_ =
      any(relations, longest_relation_, [](std::string_view name) { return name.find('(') != kNone; });
  // Without such a name, the first bracket that may close an atom is the one that does.
  entities_hold_atom_ends_ = any(entities, longest_entity_, [](std::string_view name) {
    return name.find("), ") != kNone || name.find(") <=") != kNone;
  });
}

Rule RuleParser::parse(std::string_view text) const { return RuleReading(*this, text).rule(); }

}  // namespace kgwalk
