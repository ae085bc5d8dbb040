#include "fuzz/targets.h"

#include <memory>
#include <stdexcept>

#include "core/actions.h"
#include "core/errors.h"
#include "core/graph_file.h"
#include "core/reader.h"
#include "core/rule_text.h"
#include "core/view_file.h"
#include "core/walk.h"

namespace kgwalk {
namespace {

void require(bool promise, const char* what) {
  if (!promise) throw std::logic_error(what);
}

bool read_triples(const std::string& input, const TripleFormat& format) {
  TripleReader reader;
  reader.add("a\tr\tb\n", "before");
  try {
    const std::vector<Triple> triples = reader.add(input, "input", format);
    const Names entities = reader.entities(), relations = reader.relations();
    entities.check();
    relations.check();
    require(!triples.empty(), "an accepted file has a triple");
    for (const Triple& t : triples) {
      require(!entities[t.head].empty() && !relations[t.relation].empty() && !entities[t.tail].empty(), "empty name");
    }
    Graph::from_triples(triples, entities.size(), relations.size()).check();
    return true;
  } catch (const FormatError&) {
    require(reader.entities().size() == 2 && reader.relations().size() == 1, "a refused file leaves names behind");
    return false;
  }
}

bool read_tsv(const std::string& input) { return read_triples(input, {}); }
bool read_csv(const std::string& input) { return read_triples(input, {',', {1, 0, 2}, 0, true}); }

/// Calls `use`; contents that are only checked on use may end it with std::out_of_range.
template <class F>
bool survives(const F& use) {
  try {
    use();
    return true;
  } catch (const std::out_of_range&) {
    return false;
  }
}

/// Touches every part of a file that was opened; false if some part was found corrupt on use.
bool use_everything(const GraphFile& f) {
  const Graph& g = f.graph;
  bool whole = survives([&] { g.check(); });
  whole &= survives([&] { static_cast<void>(g.pagerank(0.85, 1)); });
  for (EntityId e = 0; e < g.num_entities(); ++e) {
    whole &= survives([&] {
      for (const Edge& edge : g.slice(e)) {
        g.check_entity(edge.tail);
        require(g.find(e, edge.relation, edge.tail) >= -1, "find");
      }
      static_cast<void>(g.type_of(e));
    });
  }
  whole &= g.num_relations() == 0 || survives([&] {
             const ActionSets actions(Expand(g, nullptr, 1), {});
             for (EntityId e = 0; e < g.num_entities(); ++e) {
               const std::int32_t first = 0;
               const Query query{e, 0, g.num_entities() - 1};
               actions.candidates({&e, 1}, {&first, 1}, {&query, 1}, true);
               std::vector<RelationId> asked = actions.relations({&e, 1}, {&first, 1}, {&query, 1}, true).relations;
               asked.push_back(0);  // whether it is open or not; not all of them, a damaged header may claim billions
               for (const RelationId r : asked) actions.tails({&e, 1}, {&r, 1}, {&first, 1}, {&query, 1}, true);
             }
           });
  for (const auto* names : {&f.entities, &f.relations, &f.labels}) {
    if (!*names) continue;
    whole &= survives([&] { (*names)->check(); });
    whole &= survives([&] { static_cast<void>((*names)->first_duplicate()); });
    for (std::int32_t i = 0; i < (*names)->size(); ++i) {
      whole &= survives([&] { static_cast<void>((*names)->find((**names)[i])); });
    }
  }
  return whole;
}

/// Decodes the input from storage of its exact size, so that a read past it is seen.
GraphFile decode(const std::string& input, Verify verify) {
  const std::shared_ptr<char[]> bytes(new char[input.size()]);  // operator new aligns well enough
  input.copy(bytes.get(), input.size());
  return decode_graph(bytes, {bytes.get(), input.size()}, "input", verify);
}

bool read_graph(const std::string& input) {
  try {
    static_cast<void>(use_everything(decode(input, Verify::kHeader)));  // as a file too large to be read on opening
    const GraphFile f = decode(input, Verify::kContents);
    require(use_everything(f), "verified contents are whole");
    std::string again(encoded_size(f), '\0');
    encode_graph(f, {again.data(), again.size()});
    require(fingerprint(decode(again, Verify::kContents).graph) == fingerprint(f.graph), "saved and opened again");
    return true;
  } catch (const FormatError&) {
    return false;
  }
}

/// The same with checksums made right, or nearly nothing would get past them.
bool read_sealed_graph(const std::string& input) {
  std::string sealed = input;
  seal_graph({sealed.data(), sealed.size()});
  return read_graph(sealed);
}

std::vector<std::string> graph_seeds() {
  const std::vector<Triple> facts{{0, 0, 2}, {1, 0, 2}, {1, 1, 3}, {2, 1, 2}};
  const Names entities({"ann", "bob", "book", "pen"}), relations({"bought", "with"}), labels({"Ann", "Bob", "", "Ann"});
  const GraphFile untyped{Graph::from_triples(facts, 4, 2), {}, {}, {}};
  const GraphFile typed{Graph::from_triples(facts, 4, 2, {0, 2, 4}), entities, relations, labels};
  const GraphFile empty{Graph::from_triples({}, 1, 1), {}, {}, {}};
  std::vector<std::string> seeds;
  for (const GraphFile* f : {&untyped, &typed, &empty}) {
    seeds.emplace_back(encoded_size(*f), '\0');
    encode_graph(*f, {seeds.back().data(), seeds.back().size()});
  }
  return seeds;
}

/// The graph that views under attack are of, and two of its views, as files hold them.
const GraphFile& viewed_graph() {
  static const GraphFile graph = [] {
    std::vector<Triple> facts;
    for (EntityId e = 1; e < 70; ++e) facts.push_back({e % 3, e % 2, e});
    const std::string path = "viewed.kgw";
    save_graph(path, {Graph::from_triples(facts, 70, 2), {}, {}, {}});
    return open_graph(path, Verify::kContents);
  }();
  return graph;
}

std::vector<std::string> view_seeds() {
  const GraphFile& graph = viewed_graph();
  const std::vector<double> rank = graph.graph.pagerank();
  std::vector<std::string> seeds;
  save_view("viewed.view", "viewed.kgw", 2, rank);
  const MappedFile file("viewed.view");
  seeds.emplace_back(file.bytes().data(), file.bytes().size());
  return seeds;
}

/// Walks over whatever the view shows: moves stay inside the padded row, or the view is found corrupt.
bool walk_view(const Expand& expand) {
  return survives([&] {
    for (EntityId e = 0; e < expand.num_entities(); ++e) {
      require(expand.row(e).size() <= 2, "a row is wider than its cap");
      static_cast<void>(expand.row_hint(e));
      static_cast<void>(expand.row_begin(e));
    }
    const auto actions = std::make_shared<const ActionSets>(expand, ActionRules{});
    const std::vector<Query> queries{{0, 0, 69}, {1, 1, 5}, {69, 2, -1}};
    WalkConfig config;
    config.num_envs = 8;
    Walk walk(actions, queries, config);
    std::vector<std::int32_t> ids(8 * 8 + 2 * 8 * 3);
    std::vector<std::int8_t> mask(8 * 3);
    std::vector<double> rewards(8);
    std::unique_ptr<bool[]> flags(new bool[24]);
    const auto at = [&](std::size_t i) { return ids.data() + 8 * i; };
    ObservationOut out;
    out.state = {at(0), at(1), at(2), at(3), at(4), at(5)};
    out.padded = {at(8), at(8) + 24, mask.data(), nullptr};
    const StepOut did{rewards.data(), flags.get(), flags.get() + 8, flags.get() + 16, out.state};
    walk.reset({}, {}, out);
    std::vector<std::int64_t> chosen(8);
    for (int step = 0; step < 12; ++step) {
      walk.sample_actions(chosen.data());
      walk.step(Span<const std::int64_t>(chosen), did, out);
    }
  });
}

bool read_view(const std::string& input) {
  const std::shared_ptr<char[]> bytes(new char[input.size()]);
  input.copy(bytes.get(), input.size());
  const auto decode_as = [&](Verify verify) {
    return decode_view(bytes, {bytes.get(), input.size()}, "input", viewed_graph(), 2, verify);
  };
  try {
    const bool whole = walk_view(decode_as(Verify::kHeader));  // as a file too large to be read on opening
    static_cast<void>(decode_as(Verify::kContents));
    return whole;
  } catch (const FormatError&) {
    return false;
  }
}

bool read_sealed_view(const std::string& input) {
  std::string sealed = input;
  seal_view({sealed.data(), sealed.size()});
  return read_view(sealed);
}

bool equal(const RuleSet& a, const RuleSet& b) {
  return a.head == b.head && a.head_constant == b.head_constant && a.body_offsets == b.body_offsets &&
         a.body == b.body && a.body_constant == b.body_constant && a.support == b.support &&
         a.predictions == b.predictions && a.confidence == b.confidence;
}

/// Reads rules against a vocabulary in both ways and writes what it got.
/// @param plain  names without the signs of the format: what was read from them can always be written
bool read_rules_of(const std::string& input, const Names& entities, const Names& relations, bool plain) {
  const RuleText kept = read_rules(input, "input", entities, relations, true);
  kept.rules.check(entities.size(), relations.size());
  require((kept.skipped > 0) == !kept.reasons.empty(), "what is skipped has a reason");
  try {
    require(equal(read_rules(input, "input", entities, relations).rules, kept.rules), "skip_bad reads otherwise");
    require(kept.skipped == 0, "a bad line was read");
  } catch (const FormatError& error) {
    require(kept.skipped > 0 && kept.reasons.front() == error.what(), "skip_bad gives another reason");
  }
  try {
    const std::string text = format_rules(kept.rules, entities, relations);
    require(equal(read_rules(text, "written", entities, relations).rules, kept.rules), "written rules read otherwise");
  } catch (const std::invalid_argument&) {
    require(!plain, "rules of plain names cannot be written");
  }
  return kept.skipped == 0;
}

bool read_plain_rules(const std::string& input) {
  static const Names entities({"a", "bc", "\xC3\xA9"}), relations({"r", "st"});
  return read_rules_of(input, entities, relations, true);
}

/// Names that hold the signs of the format, and one another.
bool read_signed_rules(const std::string& input) {
  static const Names entities({"a", "X", "", "a), r(X,a", "X,a", "a,Y", "me_myself_i", "a", "a) <= r(X,a", "b,b", ")"});
  static const Names relations({"r", "r(X,a) <= r", "s(", ", r", "r"});
  return read_rules_of(input, entities, relations, false);
}

}  // namespace

std::vector<Target> targets() {
  const std::string nul(1, '\0');
  const std::vector<std::string> text{"\t", "\n",       "\r\n",     "\r",       "\"", "\"\"", ",", "\xEF\xBB\xBF",
                                      nul,  "\xC3\xA9", "\xE2\x82", "\xED\xA0", "a",  "\xFF", " ", "\n\n"};
  const std::vector<std::string> rule{"r(X,Y)",     "r(A,X)",     ", ",      " <= ", "(X,", ",Y)", "X",  "Y",
                                      "A",          "B",          "a",       ")",    "(",   ",",   "\t", "\n",
                                      "\r\n",       "NA",         "0",       "1",    "0.5", "1e",  "r",  "me_myself_i",
                                      "5\t3\t.6\t", "r(X,a) <= ", "s((X,a)", "\xC3", nul};
  return {
      {"triples",
       {"a\tr\tb\nb\ts\tc\n", "\xEF\xBB\xBFx y\tr\t\xC3\xA9\r\n", "long entity name\tlong relation\tend"},
       text,
       &read_tsv},
      {"csv",
       {"r,h,t\nr,a,b\ns,b,c\n", "r,h,t\r\n\"r, s\",\"a \"\"b\"\"\",\"c\nd\"\r\n",
        "\"r\",\"h\",\"t\"\n\"\xC3\xA9\",b,c"},
       text,
       &read_csv},
      {"rules",
       {"1\tr(X,a) <= ", "9\t2\t0.5\tr(X,Y) <= st(Y,X)\n", "0.1\tst(bc,Y) <= r(Y,a)",
        "5\t3\t0.6\tr(X,Y) <= st(X,A), r(B,A), st(B,Y)\n",
        "9\t9\t1\tr(X,a) <= r(bc,X)\n0.25\tst(a,Y) <= r(A,Y), r(A,bc)\n",
        "\xEF\xBB\xBFNA\tNA\tNA\tr(X,\xC3\xA9) <= \r\n7\t1\t1e-4\tr(me_myself_i,Y) <= st(Y,me_myself_i)\r\n",
        "1\tr(X,Y) <= r(X,A), r(A,B), r(B,C), r(C,D), r(D,E), r(E,F), r(F,G), r(G,H), r(H,I), r(I,J), r(J,K), r(K,L), "
        "r(L,M), r(M,N), r(N,O), r(O,Y)\n"},
       rule,
       &read_plain_rules},
      {"signed-rules",
       {"1\tr(X,a) <= ", "1\tr(X,b,b) <= r(X,a)", "5\t3\t0.6\tr(X,a) <= r(X,a), r(X,a)\n",
        "0.5\ts((X,Y) <= r(X,A), s((A,Y)\n", "1\tr(X,b,b) <= , r(X,A), r(A,))",
        "1\tr(b,b,Y) <= s((Y,a) <= r(X,a)\n1\ts((X,b,b) <= \n"},
       rule,
       &read_signed_rules},
      {"graph", graph_seeds(), {}, &read_graph},
      {"sealed-graph", graph_seeds(), {}, &read_sealed_graph},
      {"view", view_seeds(), {}, &read_view},
      {"sealed-view", view_seeds(), {}, &read_sealed_view},
  };
}

}  // namespace kgwalk
