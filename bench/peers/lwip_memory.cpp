// lwIP's own cost, as bench/ measures tcpco's in memory (pair_of_stacks.hpp, request_rounds.hpp): two stacks in one
// process and on one thread, and a wire that copies each frame once, into the receiver's buffers. Prints one line of JSON
// as the programs beside tcpco's do; bench/run calls it.
//
//     work=bulk       a stream, so many full segments at a time; nanoseconds a segment
//     work=requests   64 octets there and back on each of 1,000 connections in turn; millions a second
//     work=connect    connect, one octet each way, close in order; thousands a second
//     row=name entry=name   what the figure is called
//     ends=prefix     of the modules: <prefix>_left.so and <prefix>_right.so, beside this program
//     loopback=1      one stack, to itself through its loopback interface
//     segments=n      at a time; 128 unless given
//     seconds=s
#include <dlfcn.h>

#include <filesystem>
#include <stdexcept>
#include <vector>

#include "../programs/arguments.hpp"
#include "../programs/figures.hpp"
#include "lwip_end.hpp"

namespace {

using namespace tcpco_bench;

const lwip_end* left = nullptr;
const lwip_end* right = nullptr;

const lwip_end* load(const std::filesystem::path& module)
{
    void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* found = handle == nullptr ? nullptr : ::dlsym(handle, "lwip_end_of_module");
    if (found == nullptr) {
        throw std::runtime_error{::dlerror()};
    }
    return reinterpret_cast<const lwip_end* (*)()>(found)();
}

struct world {
    bool loopback = false;

    unsigned server() const { return loopback ? 0 : 2; }

    // What came is looked at, up to 16 frames of an end at a time, until nothing comes any more.
    void exchange() const
    {
        while (left->run(16) + (loopback ? 0 : right->run(16)) > 0) {
        }
    }
    void advance(unsigned milliseconds) const
    {
        left->advance(milliseconds);
        if (!loopback) {
            right->advance(milliseconds);
        }
    }
    void* connect(std::uint16_t port) const
    {
        void* made = left->connect(server(), port);
        exchange();
        if (made == nullptr) {
            throw std::runtime_error{"no connection"};
        }
        return made;
    }
    std::uint64_t answered() const { return left->read_by_clients(); }
    std::uint64_t served() const { return (loopback ? left : right)->read_by_services(); }
};

double bulk(const world& net, double seconds, std::size_t segments)
{
    const std::vector<char> chunk(segments * left->segment_octets, 'x');
    void* const at = net.connect(9);
    std::uint64_t written = 0;
    return 1e9 / per_second(seconds, [&] {
        // More than there is room for goes piece by piece.
        for (std::size_t done = 0; done < chunk.size();) {
            const std::size_t n = left->write(at, chunk.data() + done, chunk.size() - done);
            net.exchange();
            if (n == 0) {
                net.advance(50);
            }
            done += n;
        }
        net.advance(1);
        net.exchange();
        written += chunk.size();
        for (int patience = 100; net.served() != written; net.exchange(), net.advance(50)) {
            if (--patience == 0) {
                throw std::runtime_error{"octets are missing"};
            }
        }
        return static_cast<double>(segments);
    });
}

double requests(const world& net, double seconds)
{
    constexpr std::size_t octets = 64;
    const std::vector<char> request(octets, 'x');
    std::vector<void*> all(1'000);
    for (void*& each : all) {
        each = net.connect(7);
    }
    std::uint64_t answered = 0;
    return per_second(seconds, [&] {
        for (void* each : all) {
            left->write(each, request.data(), octets);
        }
        net.exchange();
        net.advance(1);
        answered += octets * all.size();
        if (net.answered() != answered) {
            throw std::runtime_error{"an answer is missing"};
        }
        return static_cast<double>(all.size());
    }) / 1e6;
}

double connections(const world& net, double seconds)
{
    const char octet = 'x';
    std::uint64_t done = 0;
    return per_second(seconds, [&] {
        constexpr int at_a_time = 32;
        for (int i = 0; i < at_a_time; ++i) {
            void* const at = net.connect(7);
            left->write(at, &octet, 1);
            net.exchange();
            left->close(at);
            net.exchange();
            ++done;
            if (net.answered() != done || left->ended() != done) {
                throw std::runtime_error{"the connection did not go its way"};
            }
        }
        net.advance(500);  // TIME-WAIT ends on the slow timer: few are kept, as tcpco's benchmark keeps few
        return static_cast<double>(at_a_time);
    }) / 1e3;
}

}  // namespace

int main(int argc, char** argv)
try {
    arguments given{argc, argv};
    const std::string work = given.text("work", "bulk");
    const std::string row = given.text("row", work);
    const std::string entry = given.text("entry", "lwip");
    const std::string ends = given.text("ends", "lwip_end");
    const world net{.loopback = given.flag("loopback")};
    const unsigned segments = given.number("segments", 128);
    const double seconds = given.real("seconds", 1);
    given.done();

    const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    left = load(beside / (ends + "_left.so"));
    left->start(1, [](const iovec* frame, int pieces) { return right != nullptr && right->deliver(frame, pieces); });
    if (!net.loopback) {
        right = load(beside / (ends + "_right.so"));
        right->start(2, [](const iovec* frame, int pieces) { return left->deliver(frame, pieces); });
    }
    figures found;
    if (work == "bulk") {
        found.add(row, entry, bulk(net, seconds, segments));
    } else if (work == "requests") {
        found.add(row, entry, requests(net, seconds));
    } else if (work == "connect") {
        found.add(row, entry, connections(net, seconds));
    } else {
        throw std::runtime_error{"work is bulk, requests or connect"};
    }
    found.print();
    return 0;
} catch (const std::exception& e) {
    std::fprintf(stderr, "lwip_memory: %s\n", e.what());
    return 1;
}
