// docs/state-machine.svg is drawn from the transition table, and stale as soon as the table changes.
//
//     TCPCO_WRITE=1 tcpco_test_policy "the diagram*"     writes it
#include "tcpco/policy/state_machine/rfc9293.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

using namespace tcpco;

namespace {

struct point {
    double x = 0;
    double y = 0;
};

constexpr double half_width = 105;
constexpr double half_height = 38;

// As in RFC 9293's figure 5: opening above, closing below; who closes first on the left.
point place_of(tcp_state s)
{
    switch (s) {
    case tcp_state::closed: return {600, 70};
    case tcp_state::listen: return {200, 210};
    case tcp_state::syn_sent: return {1'000, 210};
    case tcp_state::syn_received: return {200, 400};
    case tcp_state::established: return {600, 480};
    case tcp_state::fin_wait_1: return {330, 660};
    case tcp_state::close_wait: return {940, 660};
    case tcp_state::fin_wait_2: return {150, 840};
    case tcp_state::closing: return {560, 840};
    case tcp_state::last_ack: return {940, 840};
    case tcp_state::time_wait: return {330, 1'010};
    }
    return {};
}

// Where the line from `from` leaves its box towards `to`.
point border(point from, point to)
{
    const double dx = to.x - from.x;
    const double dy = to.y - from.y;
    const double across = dx == 0 ? 1e9 : half_width / std::abs(dx);
    const double along = dy == 0 ? 1e9 : half_height / std::abs(dy);
    const double scale = std::min(across, along);
    return {from.x + dx * scale, from.y + dy * scale};
}

std::string sent_by(actions act)
{
    const std::pair<actions, const char*> kinds[] = {{actions::send_syn, "SYN"},
                                                     {actions::send_syn_ack, "SYN,ACK"},
                                                     {actions::send_ack, "ACK"},
                                                     {actions::send_fin, "FIN"},
                                                     {actions::send_rst, "RST"}};
    for (const auto& [kind, name] : kinds) {
        if (contains(act, kind)) {
            return std::string{" / "} + name;
        }
    }
    return "";
}

std::string when_of(guard g)
{
    switch (g) {
    case guard::always: return "";
    case guard::passive_origin: return ", passive";
    case guard::active_origin: return ", active";
    case guard::nothing_queued: return ", nothing queued";
    case guard::octets_queued: return ", octets queued";
    }
    return "";
}

std::string label_of(const transition& row)
{
    return std::string{to_string(row.event)} + when_of(row.when) + sent_by(row.act);
}

void text(std::ostream& out, point at, const char* style, const std::string& what)
{
    out << "<text class=\"" << style << "\" x=\"" << at.x << "\" y=\"" << at.y << "\">" << what << "</text>\n";
}

void draw_edge(std::ostream& out, tcp_state from, tcp_state to, const std::vector<std::string>& labels, bool both_ways)
{
    point a = place_of(from);
    point b = place_of(to);
    if (both_ways) {  // beside each other
        const double side = from < to ? -85 : 85;
        a.x += side;
        b.x += side;
    }
    const point begin = border(a, b);
    const point end = border(b, a);
    out << "<path class=\"edge\" d=\"M" << begin.x << ' ' << begin.y << " L" << end.x << ' ' << end.y << "\"/>\n";
    double y = (begin.y + end.y) / 2 - 7.0 * static_cast<double>(labels.size() - 1) + 4;
    for (const std::string& label : labels) {
        text(out, {(begin.x + end.x) / 2, y}, "label", label);
        y += 15;
    }
}

template <class Machine>
std::string draw()
{
    std::map<std::pair<tcp_state, tcp_state>, std::vector<std::string>> edges;
    std::map<tcp_state, std::vector<std::string>> to_closed;
    for (const transition& row : Machine::rows) {
        if (row.to == tcp_state::closed) {
            to_closed[row.from].push_back(std::string{to_string(row.event)} + sent_by(row.act));
        } else if (row.to != row.from) {
            edges[{row.from, row.to}].push_back(label_of(row));
        }
    }
    std::ostringstream out;
    out << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 1110\" font-family=\"sans-serif\">\n"
           "<title>TCP's states and transitions, drawn from tcpco's transition table</title>\n"
           "<style>\n"
           ".box{fill:#eef4fb;stroke:#24507a;stroke-width:1.5}\n"
           ".edge{fill:none;stroke:#24507a;stroke-width:1.4;marker-end:url(#arrow)}\n"
           ".name{font-size:16px;font-weight:bold;text-anchor:middle;fill:#102a43}\n"
           ".label{font-size:12px;text-anchor:middle;fill:#102a43;stroke:#fff;stroke-width:4px;"
           "paint-order:stroke}\n"
           ".end{font-size:9.5px;text-anchor:middle;fill:#7a3524}\n"
           "</style>\n"
           "<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" "
           "markerHeight=\"8\" "
           "orient=\"auto\"><path d=\"M0 0 L10 5 L0 10 z\" fill=\"#24507a\"/></marker></defs>\n"
           "<rect width=\"1200\" height=\"1110\" fill=\"#fff\"/>\n";
    for (std::size_t i = 0; i < tcp_state_count; ++i) {
        const auto s = static_cast<tcp_state>(i);
        const point at = place_of(s);
        out << "<rect class=\"box\" rx=\"8\" x=\"" << at.x - half_width << "\" y=\"" << at.y - half_height
            << "\" width=\"" << 2 * half_width << "\" height=\"" << 2 * half_height << "\"/>\n";
        text(out, {at.x, at.y - 16}, "name", to_string(s));
        const std::vector<std::string>& ends = to_closed[s];
        std::string line = ends.empty() ? "" : "to CLOSED: ";
        double y = at.y;
        for (std::size_t e = 0; e < ends.size(); ++e) {
            line += ends[e] + (e + 1 < ends.size() ? ", " : "");
            if (e + 1 == ends.size() || line.size() + ends[e + 1].size() > 38) {
                text(out, {at.x, y}, "end", line);
                line.clear();
                y += 12;
            }
        }
    }
    for (const auto& [pair, labels] : edges) {
        draw_edge(out, pair.first, pair.second, labels, edges.count({pair.second, pair.first}) > 0);
    }
    text(out, {600, 1'095}, "label", "event, condition / segment sent; the tables of RFC 9293 3.10 say the same");
    out << "</svg>\n";
    return out.str();
}

std::string read_all(const std::filesystem::path& path)
{
    std::ifstream in{path};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("the diagram of the states is what the transition table says", "[policy]")
{
    const auto root = std::filesystem::path{__FILE__}.parent_path().parent_path().parent_path().parent_path();
    const std::filesystem::path path = root / "docs/state-machine.svg";
    const std::string drawn = draw<state_machines::rfc9293>();
    if (std::getenv("TCPCO_WRITE") != nullptr) {
        std::ofstream{path} << drawn;
    }
    const bool fresh = read_all(path) == drawn;
    INFO(path << " is stale: TCPCO_WRITE=1 tcpco_test_policy \"the diagram*\"");
    CHECK(fresh);
}

TEST_CASE("every state is in the diagram, at a place of its own", "[policy]")
{
    std::set<std::pair<double, double>> places;
    for (std::size_t i = 0; i < tcp_state_count; ++i) {
        const point p = place_of(static_cast<tcp_state>(i));
        places.insert({p.x, p.y});
    }
    CHECK(places.size() == tcp_state_count);
    CHECK(draw<state_machines::no_simultaneous_open>() != draw<state_machines::rfc9293>());
}
