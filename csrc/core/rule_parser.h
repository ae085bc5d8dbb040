#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/name_index.h"
#include "core/rule_set.h"

namespace kgwalk {

/// The longest body that text holds: chains past it have no letters left.
inline constexpr std::size_t kMaxBodyAtoms = 16;
/// AnyBURL's name for the entity that the rule is about.
inline constexpr std::string_view kSelfName = "me_myself_i";

/// Whether a name reads as a variable: one letter A to Z.
inline bool reads_as_variable(std::string_view name) { return name.size() == 1 && name[0] >= 'A' && name[0] <= 'Z'; }

/// Text that is no rule; says what was expected and what was found, not where.
class BadRule : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One rule as a RuleSet holds it.
struct Rule {
  RelationId head = 0;
  EntityId head_constant = kVariable;
  EntityId body_constant = kVariable;
  std::size_t length = 0;
  std::array<RelationId, kMaxBodyAtoms> body{};

  friend bool operator==(const Rule& a, const Rule& b) {
    if (a.head != b.head || a.head_constant != b.head_constant || a.body_constant != b.body_constant) return false;
    if (a.length != b.length) return false;
    for (std::size_t i = 0; i < a.length; ++i) {
      if (a.body[i] != b.body[i]) return false;
    }
    return true;
  }
};

/// Reads `head <= atom, atom, ...` against known names.
///
/// Names may hold any text, the signs of the format too: all readings with known names are looked for, and a rule is
/// what exactly one reading makes it. Atoms may stand in any order that is a chain.
class RuleParser {
 public:
  /// The indices must outlive the parser. Looks at every name once.
  RuleParser(const NameIndex& entities, const NameIndex& relations);

  /// @throws BadRule on text that is no rule, or more than one
  Rule parse(std::string_view text) const;

 private:
  friend class RuleReading;

  const NameIndex& entities_;
  const NameIndex& relations_;
  std::size_t longest_entity_, longest_relation_ = 0;
  bool entities_hold_atom_ends_ = false, relations_hold_brackets_ = false;
};

}  // namespace kgwalk
