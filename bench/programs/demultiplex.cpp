// Which connection a segment belongs to: the flow table beside std::unordered_map, random flows in turn.
//
//     n=flows lookups=count
//     only=table|map|none   for counting cache misses: one of them, without a clock
#include <cstdint>
#include <stdexcept>
#include <unordered_map>

#include "arguments.hpp"
#include "figures.hpp"
#include "tcpco/storage/flow_table.hpp"
#include "tcpco/storage/slab.hpp"
#include "tcpco/tcp/connection.hpp"

namespace {

using namespace tcpco;
using namespace tcpco_bench;

// The i-th peer of a server.
four_tuple flow(std::uint32_t i)
{
    return {{"198.18.0.2"_ip, 7},
            {ip_address{ipv4_address{0xC6130000 + i / 50'000}}, static_cast<std::uint16_t>(1'024 + i % 50'000)}};
}

constexpr siphash_key key{0x0123456789ABCDEF, 0xFEDCBA9876543210};

// As in the stack: the table's values are indices of connections, and each of these knows its own two ends.
class table {
    using connection_type = connection<default_policies>;

    auto is(const four_tuple& wanted) const
    {
        return [this, wanted](std::uint32_t index) {
            const connection_type& c = connections_.at(index);
            return c.remote == wanted.remote && c.local == wanted.local;
        };
    }

public:
    explicit table(std::uint32_t n) : connections_{n}, flows_{n, four_tuple_hash{key}} {}
    void insert(std::uint32_t i)
    {
        const slab_id id = connections_.emplace();
        connection_type& c = connections_.at(id.index);
        c.local = flow(i).local;
        c.remote = flow(i).remote;
        flows_.insert(flow(i), id.index, is(flow(i)));
    }
    std::uint32_t find(std::uint32_t i) { return flows_.find(flow(i), is(flow(i))); }

private:
    slab<connection_type> connections_;
    flow_table<four_tuple, four_tuple_hash> flows_;
};

class map {
public:
    explicit map(std::uint32_t) : flows_{16, four_tuple_hash{key}} {}
    void insert(std::uint32_t i) { flows_.emplace(flow(i), i); }
    std::uint32_t find(std::uint32_t i) { return flows_.find(flow(i))->second; }

private:
    std::unordered_map<four_tuple, std::uint32_t, four_tuple_hash> flows_;
};

struct nothing {
    explicit nothing(std::uint32_t) {}
    void insert(std::uint32_t) {}
    std::uint32_t find(std::uint32_t i)
    {
        keep(flow(i));
        return i;
    }
};

// Nanoseconds of a lookup, hash included.
template <class Flows>
double run(std::uint32_t n, std::uint64_t lookups)
{
    Flows flows{n};
    for (std::uint32_t i = 0; i < n; ++i) {
        flows.insert(i);
    }
    quick_random random;
    bool good = true;
    const double began = processor_seconds();
    for (std::uint64_t i = 0; i < lookups; ++i) {
        const std::uint32_t wanted = random.below(n);
        good &= flows.find(wanted) == wanted;
    }
    const double took = processor_seconds() - began;
    if (!good) {
        throw std::runtime_error{"a flow is lost"};
    }
    return took / static_cast<double>(lookups) * 1e9;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const unsigned n = given.number("n", 1'000'000);
    const unsigned lookups = given.number("lookups", 4'000'000);
    const std::string row = given.text("row", "demultiplex");
    const std::string only = given.text("only");
    given.done();
    if (only.empty()) {
        figures found;
        found.add(row, "tcpco", run<table>(n, lookups));
        found.add(row, "unordered_map", run<map>(n, lookups));
        found.print();
    } else if (only == "table") {
        run<table>(n, lookups);
    } else if (only == "map") {
        run<map>(n, lookups);
    } else {
        run<nothing>(n, lookups);
    }
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "demultiplex: %s\n", e.what());
    return 1;
}
