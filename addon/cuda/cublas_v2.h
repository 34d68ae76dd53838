// libtorch's headers about CUDA include those of cuBLAS, cuSOLVER and cuSPARSE for a few handles that the addon never uses. Their
// wheels weigh a gigabyte, so what those headers name is declared in this folder, just enough to compile c10d's ProcessGroupNCCL.
#pragma once

typedef struct cublasContext* cublasHandle_t;
typedef enum { CUBLAS_STATUS_SUCCESS = 0 } cublasStatus_t;
