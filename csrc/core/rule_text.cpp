#include "core/rule_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include "core/errors.h"
#include "core/pieces.h"
#include "core/rule_parser.h"
#include "core/text.h"

namespace kgwalk {
namespace {

constexpr std::size_t kReasonsKept = 5;
/// Bytes of a line that holds a name, about.
constexpr std::size_t kBytesPerName = 32;
/// Rules that are worth a thread.
constexpr std::int64_t kGrain = 4096;
constexpr std::string_view kNotMeasured = "NA";

struct Counts {
  std::int64_t predictions = 0, support = 0;
  double confidence = 0;
};

template <class T>
T number(std::string_view text, const char* what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw BadRule(std::string("expected ") + what + ", got " + quoted(text));
  }
  return value;
}

std::int64_t count(std::string_view text, const char* what) {
  const auto value = number<std::int64_t>(text, what);
  if (value < 0) throw BadRule(std::string("expected ") + what + ", got " + quoted(text));
  return value;
}

double confidence_of(std::string_view text) {
  constexpr const char* kWhat = "a confidence in [0, 1]";
  const auto value = number<double>(text, kWhat);
  if (!(value >= 0 && value <= 1)) throw BadRule(std::string("expected ") + kWhat + ", got " + quoted(text));
  return value;
}

/// The columns before the rule; leaves the rule's text in `line`.
Counts read_counts(std::string_view& line) {
  const std::string_view whole = line;
  std::string_view columns[3];
  std::size_t n = 0;
  for (std::size_t tab; (tab = line.find('\t')) != std::string_view::npos; ++n) {
    if (n < 3) columns[n] = line.substr(0, tab);
    line.remove_prefix(tab + 1);
  }
  if (n != 1 && n != 3) {
    throw BadRule(
        "expected 4 columns separated by tab (predictions, support, confidence, rule) or 2 (confidence, rule), "
        "got " +
        std::to_string(n + 1) + " in " + quoted(whole));
  }
  Counts counts;
  if (n == 1) {
    counts.confidence = confidence_of(columns[0]);
    return counts;
  }
  const bool counted = columns[0] != kNotMeasured || columns[1] != kNotMeasured;
  if (counted) {
    counts.predictions = count(columns[0], "predictions, a count");
    counts.support = count(columns[1], "support, a count");
    if (counts.support > counts.predictions) {
      throw BadRule("expected a support of at most the predictions, got " + std::to_string(counts.support) + " of " +
                    std::to_string(counts.predictions));
    }
  }
  if (counted || columns[2] != kNotMeasured) counts.confidence = confidence_of(columns[2]);
  return counts;
}

void add(const Counts& counts, const Rule& rule, RuleSet* to) {
  to->head.push_back(rule.head);
  to->head_constant.push_back(rule.head_constant);
  to->body.insert(to->body.end(), rule.body.begin(), rule.body.begin() + static_cast<std::ptrdiff_t>(rule.length));
  to->body_offsets.push_back(static_cast<std::int64_t>(to->body.size()));
  to->body_constant.push_back(rule.body_constant);
  to->support.push_back(counts.support);
  to->predictions.push_back(counts.predictions);
  to->confidence.push_back(counts.confidence);
}

void join(RuleSet& to, const RuleSet& from) {
  append(to.head, from.head);
  append(to.head_constant, from.head_constant);
  append(to.body, from.body);
  append_offsets(to.body_offsets, from.body_offsets);
  append(to.body_constant, from.body_constant);
  append(to.support, from.support);
  append(to.predictions, from.predictions);
  append(to.confidence, from.confidence);
}

void read_line(std::string_view line, const RuleParser& parser, RuleSet* to) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) throw BadRule("expected a rule, got a blank line");
  const std::size_t non_text = find_non_text(line);
  if (non_text != std::string_view::npos) throw BadRule(non_text_reason(line[non_text]));
  if (line.find('\r') != std::string_view::npos) {
    throw BadRule("expected a line end, got a lone carriage return in " + quoted(line));
  }
  const Counts counts = read_counts(line);
  add(counts, parser.parse(line), to);
}

/// Where each line begins, and behind the last where another would: line i is [begins[i], begins[i + 1] - 1).
std::vector<std::size_t> line_begins(std::string_view data) {
  std::vector<std::size_t> begins{0};
  for (std::size_t at = 0; !data.empty() && at != std::string_view::npos;) {
    at = data.find('\n', at);
    if (at != std::string_view::npos) ++at;
    begins.push_back(at != std::string_view::npos ? at : data.size() + 1);
  }
  return begins;
}

Rule rule_at(const RuleSet& rules, std::size_t i) {
  Rule rule;
  rule.head = rules.head[i];
  rule.head_constant = rules.head_constant[i];
  rule.body_constant = rules.body_constant[i];
  const Span<const RelationId> body = rules.body_of(i);
  rule.length = body.size();
  std::copy(body.begin(), body.end(), rule.body.begin());
  return rule;
}

/// Appends `relation(from,to)`, the places swapped for an inverse relation.
void write_atom(RelationId relation, std::string_view from, std::string_view to, const Names& relations,
                std::string* out) {
  const bool inverse = relation >= relations.size();
  out->append(relations[inverse ? relation - relations.size() : relation]);
  out->append(1, '(').append(inverse ? to : from).append(1, ',').append(inverse ? from : to).append(1, ')');
}

void write_rule(const RuleSet& rules, std::size_t i, const Names& entities, const Names& relations, std::string* out) {
  const Span<const RelationId> body = rules.body_of(i);
  if (body.size() > kMaxBodyAtoms) {
    throw std::invalid_argument("rule " + std::to_string(i) + ": expected a body of at most " +
                                std::to_string(kMaxBodyAtoms) + " atoms to write, got " + std::to_string(body.size()));
  }
  const auto place = [&](EntityId constant, std::string_view variable) {
    return constant == kVariable ? variable : constant == kSelf ? kSelfName : entities[constant];
  };
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static_assert(kMaxBodyAtoms <= 'X' - 'A', "free variables run into X");
  const bool cyclic = rules.kind(i) == RuleKind::kCyclic;
  std::string_view from = rules.head[i] < relations.size() ? "X" : "Y";
  write_atom(rules.head[i], from, place(rules.head_constant[i], "Y"), relations, out);
  out->append(" <= ");
  for (std::size_t k = 0; k < body.size(); ++k) {
    const bool last = k + 1 == body.size();
    const std::string_view to = last && cyclic ? "Y" : kLetters.substr(k, 1);
    if (k > 0) out->append(", ");
    write_atom(body[k], from, last ? place(rules.body_constant[i], to) : to, relations, out);
    from = to;
  }
}

template <class T>
void write_number(T value, std::string* out) {
  char digits[32];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr).append(1, '\t');
}

/// Throws unless the text is read as this rule.
void check_reads_back(const RuleSet& rules, std::size_t i, std::string_view text, const RuleParser& parser,
                      const Names& entities) {
  const auto refuse = [i](const std::string& what) {
    throw std::invalid_argument("rule " + std::to_string(i) + ": " + what);
  };
  const auto name_of = [&](EntityId constant) { return constant < 0 ? std::string_view() : entities[constant]; };
  for (const std::string_view name : {name_of(rules.head_constant[i]), name_of(rules.body_constant[i])}) {
    if (reads_as_variable(name)) refuse("the entity " + quoted(name) + " would read as a variable");
    if (name == kSelfName) refuse("the entity " + quoted(name) + " would read as AnyBURL's constant of that name");
  }
  if (text.find_first_of("\t\r\n") != std::string_view::npos || find_non_text(text) != std::string_view::npos) {
    refuse("names with tabs, line ends or bytes that are no UTF-8 cannot be written, got " + quoted(text));
  }
  try {
    if (parser.parse(text) == rule_at(rules, i)) return;
  } catch (const BadRule& reason) {
    refuse(quoted(text) + " could not be read back: " + reason.what());
  }
  refuse(quoted(text) + " would read as another rule: some name is not the only one of its kind");
}

}  // namespace

RuleText read_rules(std::string_view data, const std::string& path, const Names& entities, const Names& relations,
                    bool skip_bad) {
  data = without_byte_order_mark(data);
  data = data.substr(0, data.find_last_not_of("\r\n") + 1);
  const std::size_t lookups = data.size() / kBytesPerName;
  const NameIndex entity_index(entities, lookups), relation_index(relations, lookups);
  const RuleParser parser(entity_index, relation_index);
  const std::vector<std::size_t> begins = line_begins(data);
  RuleText all;
  in_pieces(
      begins.size() - 1, kGrain,
      [&](std::size_t begin, std::size_t end) {
        RuleText piece;
        for (std::size_t i = begin; i < end; ++i) {
          try {
            read_line(data.substr(begins[i], begins[i + 1] - 1 - begins[i]), parser, &piece.rules);
          } catch (const BadRule& bad) {
            ++piece.skipped;
            if (piece.reasons.size() < kReasonsKept) {
              piece.reasons.push_back(path + ":" + std::to_string(i + 1) + ": " + bad.what());
            }
            if (!skip_bad) break;
          }
        }
        return piece;
      },
      [&](const RuleText& piece) {
        // Pieces come in order, so this is the first bad line of the file.
        if (!skip_bad && piece.skipped > 0) throw FormatError(piece.reasons.front());
        join(all.rules, piece.rules);
        all.skipped += piece.skipped;
        const std::size_t room = kReasonsKept - all.reasons.size();
        for (std::size_t i = 0; i < std::min(room, piece.reasons.size()); ++i) all.reasons.push_back(piece.reasons[i]);
      });
  return all;
}

std::string format_rule(const RuleSet& rules, std::size_t rule, const Names& entities, const Names& relations) {
  std::string text;
  write_rule(rules, rule, entities, relations, &text);
  return text;
}

std::string format_rules(const RuleSet& rules, const Names& entities, const Names& relations, bool skip_bad) {
  rules.check(entities.size(), relations.size());
  const NameIndex entity_index(entities, rules.size()), relation_index(relations, rules.body.size());
  const RuleParser parser(entity_index, relation_index);
  std::string all;
  in_pieces(
      rules.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        std::string piece;
        for (std::size_t i = begin; i < end; ++i) {
          const std::size_t line = piece.size();
          try {
            write_number(rules.predictions[i], &piece);
            write_number(rules.support[i], &piece);
            write_number(rules.confidence[i], &piece);
            const std::size_t at = piece.size();
            write_rule(rules, i, entities, relations, &piece);
            check_reads_back(rules, i, std::string_view(piece).substr(at), parser, entities);
            piece += '\n';
          } catch (const std::invalid_argument&) {
            if (!skip_bad) throw;
            piece.resize(line);
          }
        }
        return piece;
      },
      [&](const std::string& piece) { all += piece; });
  return all;
}

}  // namespace kgwalk
