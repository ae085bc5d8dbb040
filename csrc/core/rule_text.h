#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "core/rule_set.h"

namespace kgwalk {

/// Rules as read from text.
struct RuleText {
  RuleSet rules;
  std::int64_t skipped = 0;          ///< malformed lines left out
  std::vector<std::string> reasons;  ///< of the first few of them, "path:line: ..."
};

/// Reads a whole file in AnyBURL's format, in its order, threaded.
///
/// A line is `predictions TAB support TAB confidence TAB rule` or `confidence TAB rule`. Counts that are not there, or
/// are written NA, are 0, and the confidence is what the file says; one that was never measured (NA NA NA) is 0. Lines
/// end in LF or CRLF, the text is UTF-8 with or without a byte order mark, blank lines may stand at the end only.
///
/// A rule is `head <= atom, atom, ...`, its variables single letters A to Z, its atoms a chain in any order of at most
/// kMaxBodyAtoms; me_myself_i and a second place of the head's variable are kSelf. Names may hold the format's own
/// signs as long as only one reading has known names only.
/// @param path      for messages only
/// @param skip_bad  leave malformed lines out instead of throwing at the first
/// @throws FormatError naming path and line: what was expected there and what was found
RuleText read_rules(std::string_view data, const std::string& path, const Names& entities, const Names& relations,
                    bool skip_bad = false);

/// The text of one rule in AnyBURL's layout: variables X, Y, A, B, ..., and `h(c,Y)` for an inverse head.
/// @throws std::invalid_argument on a body past kMaxBodyAtoms, std::out_of_range on ids without a name
std::string format_rule(const RuleSet& rules, std::size_t rule, const Names& entities, const Names& relations);

/// A file that read_rules() reads back as the same rules, which is looked at: four columns, confidences as the shortest
/// text of the same double. Threaded.
/// @param skip_bad  leave out what is refused below instead of throwing at the first
/// @throws std::invalid_argument on a rule whose text would read otherwise, such as an entity called "X";
///     std::out_of_range on ids without a name
std::string format_rules(const RuleSet& rules, const Names& entities, const Names& relations, bool skip_bad = false);

}  // namespace kgwalk
