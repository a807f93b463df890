"""Nodes and GPUs: which resource is used up?"""

from dashboards.board import Board, Row, choice
from dashboards.panels import (
    BYTES,
    BYTES_PER_SECOND,
    COUNT,
    SHARE,
    Query,
    bad_above,
    bad_below,
    figure,
    series,
)
from dashboards.promql import RAY, Metrics

NODE = RAY.where('ip=~"$node"')
MIB = 1024 * 1024
"""Ray reports the memory of GPUs in MiB."""
_gpu_used = f"{NODE.sum('ray_node_gram_used', 'ip', 'GpuIndex', 'GpuDeviceName')} * {MIB}"
_gpu_free = f"{NODE.sum('ray_node_gram_available', 'ip', 'GpuIndex', 'GpuDeviceName')} * {MIB}"
_gpu = "{{ip}} {{GpuDeviceName}} {{GpuIndex}}"
_busy = f"{NODE.sum('ray_node_cpu_utilization', 'ip')} / 100"
_memory = f"{NODE.sum('ray_node_mem_used', 'ip')} / {NODE.sum('ray_node_mem_total', 'ip')}"
DCGM = Metrics()

NOW = Row(
    "Now",
    [
        figure(
            "Nodes",
            "How many nodes does Ray have?",
            COUNT,
            Query(f"count ({NODE.max('ray_node_cpu_count', 'ip')})", "nodes"),
            width=6,
        ),
        figure(
            "Busiest processors",
            "How busy is the busiest node?",
            SHARE,
            Query(f"max ({_busy})", "busiest"),
            thresholds=bad_above(0.8, worse=0.95),
            width=6,
        ),
        figure(
            "Fullest memory",
            "How full is the fullest node?",
            SHARE,
            Query(f"max ({_memory})", "fullest"),
            thresholds=bad_above(0.8, worse=0.95),
            width=6,
        ),
        figure(
            "Fullest disk",
            "How full is the fullest disk?",
            SHARE,
            Query(f"max ({NODE.of('ray_node_disk_utilization_percentage')}) / 100", "fullest"),
            thresholds=bad_above(0.8, worse=0.95),
            width=6,
        ),
    ],
)
NODES = Row(
    "Processors and memory",
    [
        series(
            "Processors",
            "Which node is busy? Background work is held back from 80 % on.",
            SHARE,
            Query(_busy, "{{ip}}"),
            thresholds=bad_above(0.8),
            top=1,
        ),
        series(
            "Processors by process",
            "Which kind of process keeps the processors busy? 1 is one of them.",
            COUNT,
            Query(
                f"topk(10, {NODE.sum('ray_component_cpu_percentage', 'Component')} / 100)", "{{Component}}"
            ),
            stacked=True,
        ),
        series(
            "Memory",
            "Which node is full? Work is held back from 95 % on.",
            SHARE,
            Query(_memory, "{{ip}}"),
            thresholds=bad_above(0.95),
            top=1,
        ),
        series(
            "Memory by process",
            "Which kind of process has the memory?",
            BYTES,
            Query(f"topk(10, {NODE.sum('ray_component_uss_bytes', 'Component')})", "{{Component}}"),
            stacked=True,
        ),
        series(
            "Object store",
            "Does Ray's shared memory become full?",
            BYTES,
            Query(NODE.sum("ray_node_mem_shared_bytes", "ip"), "{{ip}}"),
        ),
        series(
            "Processors of a node",
            "How many processors does each node have?",
            COUNT,
            Query(NODE.max("ray_node_cpu_count", "ip"), "{{ip}}"),
        ),
    ],
)
DISK = Row(
    "Disk and network",
    [
        series(
            "Free disk",
            "Which node's disk becomes full?",
            BYTES,
            Query(NODE.min("ray_node_disk_free", "ip"), "{{ip}}"),
        ),
        series(
            "Disk reads and writes",
            "Which node reads and writes?",
            BYTES_PER_SECOND,
            Query(NODE.sum("ray_node_disk_io_read_speed", "ip"), "{{ip}} reads"),
            Query(NODE.sum("ray_node_disk_io_write_speed", "ip"), "{{ip}} writes"),
        ),
        series(
            "Network",
            "Which node sends and receives?",
            BYTES_PER_SECOND,
            Query(NODE.sum("ray_node_network_receive_speed", "ip"), "{{ip}} receives"),
            Query(NODE.sum("ray_node_network_send_speed", "ip"), "{{ip}} sends"),
        ),
        series(
            "Free storage",
            "Which store of the service becomes full?",
            SHARE,
            Query(
                f"{RAY.min('ray_ttsp_storage_free_bytes', 'store')}"
                f" / {RAY.min('ray_ttsp_storage_size_bytes', 'store')}",
                "{{store}}",
            ),
            thresholds=bad_below(0.15, worse=0.05),
            top=1,
            width=12,
        ),
        series(
            "What the governor sees",
            "Which resource of the busiest node holds batches back?",
            SHARE,
            Query(RAY.max("ray_ttsp_governor_utilization_ratio", "resource"), "{{resource}}"),
            thresholds=bad_above(0.8),
            top=1,
            width=12,
        ),
    ],
)
GPUS = Row(
    "GPUs, as Ray reports them: need a GPU",
    [
        series(
            "GPU utilization",
            "Are the GPUs busy? The share of time in which something was computed.",
            SHARE,
            Query(f"{NODE.sum('ray_node_gpus_utilization', 'ip', 'GpuIndex', 'GpuDeviceName')} / 100", _gpu),
            top=1,
        ),
        series(
            "GPU memory",
            "Does the memory of a GPU become full?",
            SHARE,
            Query(f"{_gpu_used} / ({_gpu_used} + {_gpu_free})", _gpu),
            thresholds=bad_above(0.9, worse=0.97),
            top=1,
        ),
        series(
            "Used GPU memory",
            "How much memory of each GPU is used?",
            BYTES,
            Query(_gpu_used, _gpu),
        ),
        series(
            "GPU power",
            "How much power does each GPU take?",
            "watt",
            Query(
                f"{NODE.sum('ray_node_gpu_power_milliwatts', 'ip', 'GpuIndex', 'GpuDeviceName')} / 1000", _gpu
            ),
        ),
        series(
            "GPU temperature",
            "Does a GPU become hot? It slows down by itself, most above 85 degrees.",
            "celsius",
            Query(NODE.max("ray_node_gpu_temperature_celsius", "ip", "GpuIndex", "GpuDeviceName"), _gpu),
            thresholds=bad_above(80, worse=85),
        ),
        series(
            "GPU memory by process",
            "Which kind of process has the memory of the GPUs?",
            BYTES,
            Query(f"{NODE.sum('ray_component_gpu_memory_mb', 'Component')} * {MIB}", "{{Component}}"),
            stacked=True,
        ),
    ],
)
DCGM_ROW = Row(
    "GPUs, as DCGM reports them: needs NVIDIA's dcgm-exporter; shows all GPUs that it exports",
    [
        series(
            "DCGM: utilization",
            "Are the GPUs busy?",
            SHARE,
            Query(f"{DCGM.max('DCGM_FI_DEV_GPU_UTIL', 'Hostname', 'gpu')} / 100", "{{Hostname}} {{gpu}}"),
            top=1,
        ),
        series(
            "DCGM: computing units",
            "Which share of a GPU's units computes? Utilization says only whether any does.",
            SHARE,
            Query(DCGM.max("DCGM_FI_PROF_SM_ACTIVE", "Hostname", "gpu"), "{{Hostname}} {{gpu}}"),
            top=1,
        ),
        series(
            "DCGM: used memory",
            "How much memory of each GPU is used?",
            BYTES,
            Query(f"{DCGM.max('DCGM_FI_DEV_FB_USED', 'Hostname', 'gpu')} * {MIB}", "{{Hostname}} {{gpu}}"),
        ),
        series(
            "DCGM: power",
            "How much power does each GPU take?",
            "watt",
            Query(DCGM.max("DCGM_FI_DEV_POWER_USAGE", "Hostname", "gpu"), "{{Hostname}} {{gpu}}"),
        ),
        series(
            "DCGM: temperature",
            "Does a GPU become hot?",
            "celsius",
            Query(DCGM.max("DCGM_FI_DEV_GPU_TEMP", "Hostname", "gpu"), "{{Hostname}} {{gpu}}"),
            thresholds=bad_above(80, worse=85),
        ),
        series(
            "DCGM: faults",
            "Does a GPU report faults? The number of the latest XID error.",
            COUNT,
            Query(DCGM.max("DCGM_FI_DEV_XID_ERRORS", "Hostname", "gpu"), "{{Hostname}} {{gpu}}"),
            thresholds=bad_above(1),
        ),
    ],
    folded=True,
)
BOARD = Board(
    "ttsp-nodes",
    "GPUs and nodes",
    "Which resource is used up: processors, memory, disk, network, GPUs?",
    [NOW, NODES, DISK, GPUS, DCGM_ROW],
    [choice("node", "Node", "ray_node_cpu_count", "ip", "A node of Ray, by its address.")],
)
